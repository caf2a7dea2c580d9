// The account's users in the order of the pages. Cached while the simulated clock stands still, because a walk asks for
// hundreds of pages of the same list.
import { RISK_LEVELS } from '../user-risk.ts';
import type { UserRisk } from '../user-risk.ts';
import { hash, uniform } from './random.ts';
import type { Rng } from './random.ts';
import type { World } from './world.ts';

export type Listing = {
  rows(instant: Date, orderBy: string | null, direction: string | null): readonly UserRisk[];
  /** Moves a random user from position `from` or later to the top, for good, as a new event of that user would. */
  drift(from: number): void;
};

type Sorted = { orderBy: string; direction: string; rows: UserRisk[] };

export function createListing(world: World): Listing {
  let instant = Number.NaN;
  let sorted: Sorted | null = null;
  // Only the order drifts. The values of each user stay those of the instant, so that they can be compared.
  const drifted = new Map<string, number>();
  let moves = 0;
  const rng: Rng = { state: hash(7) };

  function rows(now: Date, orderByAsked: string | null, directionAsked: string | null): UserRisk[] {
    const orderBy = orderByAsked ?? 'timestamp';
    const direction = directionAsked ?? 'desc';
    const same = sorted?.orderBy === orderBy && sorted.direction === direction;
    if (sorted !== null && same && instant === now.getTime()) return sorted.rows;
    instant = now.getTime();
    const fresh = world.at(now);
    sort(fresh, orderBy, direction);
    if (drifted.size > 0) {
      fresh.sort((a, b) => (drifted.get(b.user_id) ?? 0) - (drifted.get(a.user_id) ?? 0));
    }
    sorted = { orderBy, direction, rows: fresh };
    return fresh;
  }

  return {
    rows,
    drift(from) {
      if (sorted === null || from >= sorted.rows.length) return;
      const position = from + Math.floor(uniform(rng) * (sorted.rows.length - from));
      const row = sorted.rows.splice(position, 1)[0]!;
      sorted.rows.unshift(row);
      moves += 1;
      drifted.set(row.user_id, moves);
    },
  };
}

/** Sorts in place; `rows` arrive newest first. Ignores unknown keys, like other undocumented parameters. */
function sort(rows: UserRisk[], orderBy: string, direction: string): void {
  if (orderBy === 'event_count') rows.sort((a, b) => b.event_count - a.event_count);
  if (orderBy === 'max_risk_level') rows.sort((a, b) => rank(b) - rank(a));
  if (direction === 'asc') rows.reverse();
}

function rank(row: UserRisk): number {
  return RISK_LEVELS.indexOf(row.max_risk_level);
}
