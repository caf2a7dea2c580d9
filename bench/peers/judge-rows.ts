// Compares the rows that a walk over a moving list left in a table with the true state before and after. Pure.
import type { Truth } from '../harness/api.ts';

export type Current = { user_id: string; event_count: number }[];

/** Counts of users who were present throughout, or gone before the walk began. Other users are not judged. */
export type Judged = {
  right: number;
  /** Present throughout, but without a current row, and without an earlier row. */
  missing: number;
  /** Present throughout, but without a current row, although there was one before: the walk retired a present user. */
  wronglyRetired: number;
  /** The row has a value that the user did not have at any time of the walk. */
  stale: number;
  /** More than one current row. */
  doubled: number;
  /** Gone before the walk began, but still has a current row. */
  keptThoughGone: number;
};

export function judgeRows(
  truth: { before: Truth; after: Truth },
  rows: { before: Current; after: Current },
): Judged {
  const judged: Judged = { right: 0, missing: 0, wronglyRetired: 0, stale: 0, doubled: 0, keptThoughGone: 0 };
  const began = new Map(truth.before.users.map((user) => [user.user_id, user.event_count]));
  const hadRow = new Set(rows.before.map(({ user_id }) => user_id));
  const found = new Map<string, number[]>();
  for (const { user_id, event_count } of rows.after)
    found.set(user_id, [...(found.get(user_id) ?? []), event_count]);
  for (const { user_id, event_count, since } of truth.after.users) {
    const atFirst = began.get(user_id);
    if (atFirst === undefined || since > truth.before.now) continue;
    const counts = found.get(user_id) ?? [];
    if (counts.length === 0) judged[hadRow.has(user_id) ? 'wronglyRetired' : 'missing']++;
    else if (counts.length > 1) judged.doubled++;
    else if (counts[0]! < atFirst || counts[0]! > event_count) judged.stale++;
    else judged.right++;
  }
  const listed = new Set([...began.keys(), ...truth.after.users.map((user) => user.user_id)]);
  for (const userId of found.keys()) if (!listed.has(userId)) judged.keptThoughGone++;
  return judged;
}
