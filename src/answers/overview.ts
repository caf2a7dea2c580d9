// What the overview says: how many users are at each level, now and over time, how fresh and reliable that is, and what
// happened lately.
import type { Db } from '../db/handle.ts';
import { levelsAt, type LevelsAt } from '../queries/levels/levels-at.ts';
import { news, type News } from '../queries/levels/news.ts';
import { trend, type TrendRow } from '../queries/levels/trend.ts';
import { answered, answerTo, type Answered, type Question } from '../queries/question.ts';
import { coverage, type CoverageDay } from '../queries/runs/coverage.ts';
import { newestSnapshots, type NewestSnapshot } from '../queries/snapshots/newest-snapshots.ts';
import { longestAtHigh, type LongAtHigh } from '../queries/users/longest-at-high.ts';
import { idsOf, isMany, type Scope } from './scope.ts';
import { trendOf, type PlottedTrend } from './trend-of.ts';

const DAY = 86_400_000;
export const NEWS_DAYS = 2;
const NEWS_ROWS = 5;
/** The number of days that a strip can show one by one. */
const COVERAGE_DAYS = 400;

export type Overview = {
  levels: { question: Question<LevelsAt>; now: LevelsAt; yesterday: LevelsAt; lastWeek: LevelsAt };
  /** The last 30 days, day by day. With many accounts: the span of the page. */
  recently: readonly TrendRow[];
  trend: PlottedTrend;
  newest: Answered<NewestSnapshot>;
  news: Answered<News> & { since: Date };
  longest: Answered<LongAtHigh>;
  /** Null: too many accounts to look at each of their days. */
  coverage: Answered<CoverageDay> | null;
};

export async function overviewOf(db: Db, scope: Scope): Promise<Overview> {
  const ids = idsOf(scope);
  const { now, timezone, span } = scope;
  const before = (days: number) => new Date(now.getTime() - days * DAY);
  const since = before(NEWS_DAYS);
  const strip = { ...span, from: stripFrom(span) };
  const shown = await trendOf(db, scope);
  return {
    levels: await levelsOf(db, ids, [now, before(1), before(7)]),
    recently: isMany(scope)
      ? shown.rows
      : await answerTo(db, trend(ids, { from: before(30), to: now, timezone, step: 'day' })),
    trend: shown,
    newest: await answered(db, newestSnapshots(ids)),
    news: { ...(await answered(db, news(ids, since, NEWS_ROWS))), since },
    longest: await answered(db, longestAtHigh(ids, NEWS_ROWS)),
    coverage: isMany(scope) ? null : await answered(db, coverage(ids, { ...strip, timezone })),
  };
}

/** Where the strip of days begins. Pure. */
export function stripFrom({ from, to }: Scope['span']): Date {
  return new Date(Math.max(from.getTime(), to.getTime() - COVERAGE_DAYS * DAY));
}

async function levelsOf(
  db: Db,
  ids: readonly string[] | null,
  [at, day, week]: readonly [Date, Date, Date],
): Promise<Overview['levels']> {
  const question = levelsAt(ids, [
    ['now', at],
    ['yesterday', day],
    ['last week', week],
  ]);
  const [now, yesterday, lastWeek] = (await answerTo(db, question)) as [LevelsAt, LevelsAt, LevelsAt];
  return { question, now, yesterday, lastWeek };
}

/** "6 users are at high, one more than yesterday." Pure. */
export function headline({
  levels: { now, yesterday },
  newest,
}: Pick<Overview, 'levels' | 'newest'>): string {
  if (now.account_count === 0) return 'There is no snapshot yet.';
  const isRetired = newest.rows.every(({ retired_at }) => retired_at !== null);
  if (isRetired)
    return `${now.high === 1 ? 'One user was' : `${count(now.high)} users were`} at high in the end.`;
  const high = now.high === 0 ? 'Nobody is' : now.high === 1 ? 'One user is' : `${count(now.high)} users are`;
  if (yesterday.account_count === 0) return `${high} at high.`;
  const more = now.high - yesterday.high;
  if (more === 0) return now.high === 0 ? 'Nobody is at high.' : `${high} at high, as many as yesterday.`;
  return `${high} at high, ${Math.abs(more) === 1 ? 'one' : count(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than yesterday.`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
