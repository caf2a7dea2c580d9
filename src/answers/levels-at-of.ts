// Users by level at instants that a caller gives as text.
import type { Db } from '../db/handle.ts';
import { OperatorError } from '../errors.ts';
import { levelsAt, type LevelsAt } from '../queries/levels/levels-at.ts';
import { answerTo } from '../queries/question.ts';
import { parseWhen, WHEN_HELP } from '../time/when.ts';
import { idsOf, type Scope } from './scope.ts';

/** `text`: instants with commas between them. Throws SCOPE_INVALID. */
export async function levelsAtOf(db: Db, scope: Scope, text: string): Promise<LevelsAt[]> {
  const moments = text.split(',').map((name) => [name.trim(), instantOf(name, scope)] as const);
  return answerTo(db, levelsAt(idsOf(scope), moments));
}

function instantOf(text: string, { now, timezone }: Scope): Date {
  const when = parseWhen(text, { now, timezone });
  if (when?.kind === 'instant') return when.at;
  throw new OperatorError({
    code: 'SCOPE_INVALID',
    happened: 'The parameter at cannot be read',
    means: 'It is not known which time is meant',
    todo: `Give ${WHEN_HELP}`,
  });
}
