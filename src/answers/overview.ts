// What the overview says: how many users are at each level, now and before, and how fresh that is.
import type { Db } from '../db/handle.ts';
import { levelsAt, type LevelsAt } from '../queries/levels/levels-at.ts';
import { answerTo, type Question } from '../queries/question.ts';
import { idsOf, type Scope } from './scope.ts';

const DAY = 86_400_000;

export type Overview = {
  levels: { question: Question<LevelsAt>; now: LevelsAt; yesterday: LevelsAt; lastWeek: LevelsAt };
};

export async function overviewOf(db: Db, scope: Scope): Promise<Overview> {
  const before = (days: number) => new Date(scope.now.getTime() - days * DAY);
  const question = levelsAt(idsOf(scope), [
    ['now', scope.now],
    ['yesterday', before(1)],
    ['last week', before(7)],
  ]);
  const [now, yesterday, lastWeek] = (await answerTo(db, question)) as [LevelsAt, LevelsAt, LevelsAt];
  return { levels: { question, now, yesterday, lastWeek } };
}

/** "6 users are at high, one more than yesterday." Pure. */
export function headline({ levels: { now, yesterday } }: Pick<Overview, 'levels'>): string {
  if (now.account_count === 0) return 'There is no snapshot yet.';
  const high = now.high === 0 ? 'Nobody is' : now.high === 1 ? 'One user is' : `${count(now.high)} users are`;
  if (yesterday.account_count === 0) return `${high} at high.`;
  const more = now.high - yesterday.high;
  if (more === 0) return `${high} at high, as many as yesterday.`;
  return `${high} at high, ${Math.abs(more) === 1 ? 'one' : count(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than yesterday.`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
