// A fixed window of requests, and the headers that state it. Without a limit, the headers state a quota that no client
// can use up. Otherwise the product would keep to the documented 1,200 requests in five minutes, and the benchmark
// would measure waiting.
export type Limit = { requests: number; windowMs: number };
export type RateLimit = ReturnType<typeof createRateLimit>;

const UNLIMITED: Limit = { requests: 100_000_000, windowMs: 300_000 };

export function createRateLimit(limit: Limit | null) {
  const { requests, windowMs } = limit ?? UNLIMITED;
  let windowEnds = 0;
  let used = 0;
  return {
    /** Counts one request. `isRefused`: the request is over the limit. */
    take(now: number): { isRefused: boolean; headers: Record<string, string> } {
      if (now >= windowEnds) {
        windowEnds = now + windowMs;
        used = 0;
      }
      used++;
      const seconds = Math.ceil((windowEnds - now) / 1000);
      const isRefused = used > requests;
      return {
        isRefused,
        headers: {
          ratelimit: `"default";r=${Math.max(0, requests - used)};t=${seconds}`,
          'ratelimit-policy': `"default";q=${requests};w=${windowMs / 1000}`,
          ...(isRefused ? { 'retry-after': String(seconds) } : {}),
        },
      };
    },
  };
}
