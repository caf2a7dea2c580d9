// Whether a span begins before the history is whole, as rows and as a sentence: older rows were deleted (`prune`).
import type { Db } from '../db/handle.ts';
import { deletedSince, type DeletedSince } from '../queries/accounts/deleted-since.ts';
import { answerTo } from '../queries/question.ts';
import { PRUNABLE, type Prunable } from '../retention.ts';
import { localMinute } from '../time/when.ts';
import { idsOf, type Scope } from './scope.ts';

/**
 * The accounts and parts in which the span begins before the history is whole. `from`: set if figures go back beyond
 * the span.
 */
export async function deletedIn(
  db: Db,
  scope: Scope,
  parts: readonly Prunable[],
  from: Date = scope.span.from,
): Promise<readonly DeletedSince[]> {
  return answerTo(db, deletedSince(idsOf(scope), from, parts));
}

const NAMES: Readonly<Record<Prunable, string>> = {
  activity: 'event counts',
  levels: 'level changes',
  identities: 'emails and names',
  runs: 'runs',
};

/**
 * "Level changes before 2026-01-10 00:00 may be missing, because older rows were deleted." With several accounts, the
 * latest time counts. Null if nothing is missing. Pure.
 */
export function missingWords(
  deleted: readonly DeletedSince[],
  { timezone }: Pick<Scope, 'timezone'>,
): string | null {
  const parts = PRUNABLE.flatMap((part) => {
    const times = deleted.flatMap(({ dataset, whole_since }) =>
      dataset === part ? [Date.parse(whole_since)] : [],
    );
    return times.length === 0
      ? []
      : [`${NAMES[part]} before ${localMinute(new Date(Math.max(...times)), timezone)}`];
  });
  const [first, ...rest] = parts;
  if (first === undefined) return null;
  const last = rest.pop();
  const list = last === undefined ? first : `${[first, ...rest].join(', ')} and ${last}`;
  return `${list.charAt(0).toUpperCase()}${list.slice(1)} may be missing, because older rows were deleted.`;
}
