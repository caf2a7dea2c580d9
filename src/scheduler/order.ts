// Which of the accounts that are due goes first. Pure.
import type { SlotFacts } from '../sync/claim/slot-facts.ts';

export type Due = { accountId: string; facts: SlotFacts };

/**
 * First the accounts that were not tried in this slot yet, so that failing ones hold up no others; among them the one
 * that has been without a success for most intervals. The others are in no order: after an ordinary hour all are alike,
 * and replicas with the same order would all try the same account. `random` is in [0, 1).
 */
export function inOrder(due: readonly Due[], intervalMs: number, random: () => number): Due[] {
  const ranked = due.map((one) => ({
    one,
    attempts: one.facts.attempts,
    missed: missedSlots(one.facts, intervalMs),
    ticket: random(),
  }));
  // A difference of two infinities is no number.
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
