// How often wrong tokens may be tried: so many at once, then one after each pause, for each network of clients and for
// all together. In memory and of bounded size; each replica counts for itself.

export type Attempts = {
  /** Takes one attempt. 0: go on. Otherwise the seconds to wait, and nothing was taken. */
  take(network: string, now: number): number;
  /** It was the right token. */
  giveBack(network: string, now: number): void;
};

type Allowance = { atOnce: number; pauseMs: number };
/** `used` falls by one with each pause since `at`. */
type Bucket = { used: number; at: number };

const EACH: Allowance = { atOnce: 10, pauseMs: 30_000 };
const ALL: Allowance = { atOnce: 100, pauseMs: 3_000 };
/** The network that has been silent for longest is forgotten. The limit for all together still counts. */
const MOST_NETWORKS = 1_000;

export function limitAttempts(each = EACH, all = ALL, mostNetworks = MOST_NETWORKS): Attempts {
  const networks = new Map<string, Bucket>();
  let together: Bucket = { used: 0, at: 0 };
  const keep = (network: string, bucket: Bucket) => {
    networks.delete(network);
    if (bucket.used === 0) return;
    networks.set(network, bucket);
    if (networks.size > mostNetworks) networks.delete(networks.keys().next().value!);
  };
  const bucketOf = (network: string, now: number) =>
    drained(networks.get(network) ?? { used: 0, at: now }, each, now);
  return {
    take(network, now) {
      const own = bucketOf(network, now);
      together = drained(together, all, now);
      const waitMs = Math.max(waitOf(own, each), waitOf(together, all));
      if (waitMs > 0) return Math.ceil(waitMs / 1000);
      keep(network, { ...own, used: own.used + 1 });
      together = { ...together, used: together.used + 1 };
      return 0;
    },
    giveBack(network, now) {
      const own = bucketOf(network, now);
      keep(network, { ...own, used: Math.max(0, own.used - 1) });
      together = { ...together, used: Math.max(0, together.used - 1) };
    },
  };
}

function drained({ used, at }: Bucket, { pauseMs }: Allowance, now: number): Bucket {
  // A clock that was set back takes nothing away.
  return { used: Math.max(0, used - Math.max(0, now - at) / pauseMs), at: now };
}

function waitOf({ used }: Bucket, { atOnce, pauseMs }: Allowance): number {
  return Math.max(0, used + 1 - atOnce) * pauseMs;
}
