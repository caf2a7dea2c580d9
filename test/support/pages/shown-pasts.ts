// The random past that the tests of pages show, and how they look at it. PAGES_SEED chooses the past.
import fc from 'fast-check';
import type { Past } from '../oracle/reporting/past.ts';

export const SEED = Number(
  process.env['PAGES_SEED'] ?? fc.readConfigureGlobal().seed ?? Date.now() % 2_147_483_647,
);
export const ZONES = ['Europe/Berlin', 'Atlantic/Azores'];

/** Null: all accounts together. A page of one account needs a snapshot of it. */
export function chosenOnes(pasts: readonly Past[]): (Past | null)[] {
  return [null, ...pasts.filter(({ oracle }) => oracle.snapshots.length > 0)];
}
