// Which of the accounts that are due starts first. Pure.
import type { SlotFacts } from '../sync/claim/slot-facts.ts';

export type Due = { accountId: string; facts: SlotFacts };

/**
 * Accounts that were not tried in this slot yet are first, so that failing ones hold up no others. Among these, the one
 * without a success for most intervals is first. Otherwise the order is random: after an ordinary hour all accounts are
 * alike, and replicas with the same order would all try the same account. `random` is in [0, 1).
 */
export function inOrder(due: readonly Due[], intervalMs: number, random: () => number): Due[] {
  const ranked = due.map((one) => ({
    one,
    attempts: one.facts.attempts,
    missed: missedSlots(one.facts, intervalMs),
    ticket: random(),
  }));
  // The difference of two infinities is NaN.
  const byMissed = (a: number, b: number) => (a === b ? 0 : b > a ? 1 : -1);
  return ranked
    .toSorted((a, b) => a.attempts - b.attempts || byMissed(a.missed, b.missed) || a.ticket - b.ticket)
    .map(({ one }) => one);
}

/** Intervals since the newest success; infinite for an account without one. 0 if no interval is known. */
function missedSlots({ sinceSuccessMs }: SlotFacts, intervalMs: number): number {
  if (sinceSuccessMs === null) return Number.POSITIVE_INFINITY;
  return intervalMs > 0 ? Math.floor(Math.max(0, sinceSuccessMs) / intervalMs) : 0;
}
