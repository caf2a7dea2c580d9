// Which accounts are synced, as one reading of their list follows another. Pure. A reading that cannot be trusted adds
// accounts and drops none.
import type { Reading } from './reading.ts';

export type Followed = {
  /** The accounts that are synced. */
  ids: readonly string[];
  /** Those among them that the newest complete readings lacked, and how many readings in a row. */
  lacking: ReadonlyMap<string, number>;
  /** Accounts that were synced until the list no longer showed them. */
  unlisted: readonly string[];
};

export type Step = Followed & {
  added: readonly string[];
  removed: readonly string[];
  /** Lacking since this reading. */
  newlyLacking: readonly string[];
  /** How many accounts a complete reading lacked, if they were too many to be believed; else 0. */
  doubted: number;
};

export const NOBODY: Followed = { ids: [], lacking: new Map(), unlisted: [] };

/** As for users: so many are a mistake somewhere, such as a token that was edited. */
const MASS = { least: 20, share: 1 / 2 };

/**
 * `patience`: how many complete readings in a row must lack an account. 1 for a file: who removes a line means it. More
 * for a list of the API: counts cannot prove that nobody moved while it was read.
 */
export function followList(
  before: Followed,
  { ids, isComplete }: Pick<Reading, 'ids' | 'isComplete'>,
  patience: number,
): Step {
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
