// Which accounts are synced after each reading of their list. Pure. A reading that cannot be trusted adds accounts and
// drops none.
import type { ListReading } from './reading.ts';

export type Followed = {
  /** The accounts that are synced. */
  ids: readonly string[];
  /** Synced accounts that the newest complete readings lacked, and how many readings in a row. */
  lacking: ReadonlyMap<string, number>;
  /** Accounts that were synced until the list no longer showed them. */
  unlisted: readonly string[];
};

export type ListStep = Followed & {
  added: readonly string[];
  removed: readonly string[];
  /** Missing since this reading. */
  newlyLacking: readonly string[];
  /** How many accounts a complete reading lacked, if they were too many to be believed. Otherwise 0. */
  doubted: number;
};

export const NOBODY: Followed = { ids: [], lacking: new Map(), unlisted: [] };

/** The same limits as for users: when so large a share is missing, the cause is a mistake, such as an edited token. */
const MASS = { least: 20, share: 1 / 2 };

/**
 * `patience`: how many complete readings in a row must lack an account. It is 1 for a file, because a removed line is
 * intended. It is more for a list of the API, because counts cannot prove that no account moved during the reading.
 */
export function followList(
  before: Followed,
  { ids, isComplete }: Pick<ListReading, 'ids' | 'isComplete'>,
  patience: number,
): ListStep {
  const listed = new Set(ids);
  const isKnown = new Set(before.ids);
  const missing = before.ids.filter((id) => !listed.has(id));
  const isMass =
    patience > 1 && missing.length >= MASS.least && missing.length > before.ids.length * MASS.share;
  const counts = isComplete && !isMass;
  const times = (id: string) => (before.lacking.get(id) ?? 0) + (counts ? 1 : 0);
  const removed = missing.filter((id) => times(id) >= patience);
  const gone = new Set(removed);
  const added = [...listed].filter((id) => !isKnown.has(id));
  return {
    ids: [...before.ids.filter((id) => !gone.has(id)), ...added],
    lacking: new Map(
      missing.flatMap((id) => (gone.has(id) || times(id) === 0 ? [] : [[id, times(id)] as const])),
    ),
    unlisted: patience > 1 ? [...before.unlisted.filter((id) => !listed.has(id)), ...removed] : [],
    added,
    removed,
    newlyLacking: missing.filter((id) => !gone.has(id) && times(id) === 1 && !before.lacking.has(id)),
    doubted: isComplete && isMass ? missing.length : 0,
  };
}
