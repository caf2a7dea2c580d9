// Whether an embedded history should have been copied by now. Pure.
import type { LastCopy } from '../queries/health/last-copy.ts';

/** A week of snapshots is worth keeping: no walk can read the past again. */
const UNCOPIED_MS = 7 * 86_400_000;

export function isCopyDue({ copied_at, began_at }: LastCopy, now = Date.now()): boolean {
  return copied_at === null && began_at !== null && now - began_at.getTime() > UNCOPIED_MS;
}
