// Limits how often wrong tokens may be tried: a limited number at once, then one after each pause. The limit holds for
// each network of clients and for all together. It is in memory and of bounded size, and each replica counts for
// itself.

export type Attempts = {
  /** Takes one attempt. 0: continue. Otherwise it returns the seconds to wait, and takes nothing. */
  take(network: string, now: number): number;
  /** Call it after the right token: gives the attempt back. */
  giveBack(network: string, now: number): void;
};

type Allowance = { atOnce: number; pauseMs: number };

const EACH: Allowance = { atOnce: 10, pauseMs: 30_000 };
const ALL: Allowance = { atOnce: 100, pauseMs: 3_000 };
/**
 * If there are too many networks, the one that has been silent for longest is forgotten. The limit for all together
 * still counts.
 */
const MOST_NETWORKS = 1_000;

export function limitAttempts(each = EACH, all = ALL, mostNetworks = MOST_NETWORKS): Attempts {
  // When all attempts that were taken will be available again.
  const networks = new Map<string, number>();
  let together = 0;
  const keep = (network: string, regained: number) => {
    networks.delete(network);
    networks.set(network, regained);
    if (networks.size > mostNetworks) networks.delete(networks.keys().next().value!);
  };
  return {
    take(network, now) {
      const own = within(each, networks.get(network) ?? 0, now);
      together = within(all, together, now);
      const waitMs = Math.max(waitOf(each, own, now), waitOf(all, together, now));
      if (waitMs > 0) return Math.ceil(waitMs / 1000);
      keep(network, own + each.pauseMs);
      together += all.pauseMs;
      return 0;
    },
    giveBack(network, now) {
      keep(network, within(each, networks.get(network) ?? 0, now) - each.pauseMs);
      together -= all.pauseMs;
    },
  };
}

/** Even if the clock was set back, no client waits longer than a full refill takes. */
function within({ atOnce, pauseMs }: Allowance, regained: number, now: number): number {
  return Math.min(Math.max(regained, now), now + atOnce * pauseMs);
}

function waitOf({ atOnce, pauseMs }: Allowance, regained: number, now: number): number {
  return Math.max(0, regained - now - (atOnce - 1) * pauseMs);
}
