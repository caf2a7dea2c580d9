// A budget of requests per window and caller. Uses the clock passed to it: simulated time, not the machine's.

export type RateLimit = { requests: number; windowSeconds: number };

export type Spent = {
  /** Requests left in this window. */
  remaining: number;
  /** Whole seconds until the window ends, at least 1. */
  resetSeconds: number;
  exceeded: boolean;
};

/** Counts one request of `caller`. A window opens with its first request. A clock that goes back opens a new window. */
export function createRateLimiter(limit: RateLimit): (caller: string, now: Date) => Spent {
  const windows = new Map<string, { opened: number; spent: number }>();
  const length = limit.windowSeconds * 1000;
  return (caller, now) => {
    const ms = now.getTime();
    let window = windows.get(caller);
    if (window === undefined || ms < window.opened || ms >= window.opened + length) {
      window = { opened: ms, spent: 0 };
      windows.set(caller, window);
    }
    window.spent += 1;
    return {
      remaining: Math.max(0, limit.requests - window.spent),
      resetSeconds: Math.max(1, Math.ceil((window.opened + length - ms) / 1000)),
      exceeded: window.spent > limit.requests,
    };
  };
}

export function rateHeaders(limit: RateLimit, spent: Spent): Record<string, string> {
  return {
    Ratelimit: `"default";r=${spent.remaining};t=${spent.resetSeconds}`,
    'Ratelimit-Policy': `"default";q=${limit.requests};w=${limit.windowSeconds}`,
  };
}
