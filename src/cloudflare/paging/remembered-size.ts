// What SYNC_PER_PAGE=auto remembers from one run to the next: the size that worked when larger ones did not. Pure.
import type { PageSizeKept } from '../../evidence.ts';
import { AUTO_SIZES } from './pass.ts';

const LARGEST = AUTO_SIZES[0]!;
/**
 * How long larger sizes are not tried. The time is limited: after a slow hour, a server must not get small pages for
 * ever.
 */
export const REMEMBERED_MS = 24 * 3_600_000;

/** The size to begin with: the one that worked, unless a day has passed since larger ones were tried. */
export function firstSizeOf(kept: PageSizeKept | null, now: string): number {
  if (kept === null || !AUTO_SIZES.includes(kept.per_page)) return LARGEST;
  const age = Date.parse(now) - Date.parse(kept.tried_at);
  return age >= 0 && age < REMEMBERED_MS ? kept.per_page : LARGEST;
}

/** What to remember of a walk that began with `first` and ended with `worked`. Null: nothing. */
export function sizeToKeep(
  worked: number,
  first: number,
  kept: PageSizeKept | null,
  now: string,
): PageSizeKept | null {
  if (worked === LARGEST) return null;
  return { per_page: worked, tried_at: first === LARGEST || kept === null ? now : kept.tried_at };
}
