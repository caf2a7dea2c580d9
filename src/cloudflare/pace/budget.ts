// How much of the request limit is left, by the answers' headers and by our own count, and how long a request must
// wait. Pure; known-limits.ts keeps the facts, and pacing.ts acts on them.

/** One policy of the `Ratelimit` header: `remaining` requests are left for the next `resetMs`. Null: not stated. */
export type Budget = {
  remaining: number;
  resetMs: number;
  quota: number | null;
  windowMs: number | null;
};

export type RequestLimit = { requests: number; windowMs: number };

/** As Cloudflare documents it, per user or token. */
export const CLOUDFLARE_LIMIT: RequestLimit = { requests: 1200, windowMs: 300_000 };

/** "1,200 requests per 5 minutes" */
export function limitInWords({ requests, windowMs } = CLOUDFLARE_LIMIT): string {
  return `${requests.toLocaleString('en-US')} requests per ${windowMs / 60_000} minutes`;
}

// While more than this is left, requests do not wait: a fast walk drifts less.
const PLENTY = 0.2;
const PLENTY_OF_UNKNOWN = 50;

/**
 * Reads `Ratelimit: "default";r=50;t=30` (several policies are separated by commas), and the quotas in
 * `Ratelimit-Policy: "default";q=1200;w=300`. A quota belongs to the policy with its name. If there is only one quota,
 * it counts for every policy. Unreadable parts are skipped.
 */
export function parseBudgets(ratelimit: string | null, policy: string | null): Budget[] {
  const policies = parseItems(policy).filter((item) => item.numbers.has('q'));
  return parseItems(ratelimit).flatMap(({ name, numbers }) => {
    const remaining = numbers.get('r');
    const seconds = numbers.get('t');
    if (remaining === undefined || seconds === undefined) return [];
    const own =
      policies.find((item) => item.name === name) ?? (policies.length === 1 ? policies[0] : undefined);
    const window = own?.numbers.get('w');
    return [
      {
        remaining,
        resetMs: seconds * 1000,
        quota: own?.numbers.get('q') ?? null,
        windowMs: window === undefined ? null : window * 1000,
      },
    ];
  });
}

/** The budget that runs out first: the one with the fewest requests left, then with the longest wait. */
export function tightestBudget(budgets: readonly Budget[]): Budget | null {
  return budgets.toSorted((a, b) => a.remaining - b.remaining || b.resetMs - a.resetMs)[0] ?? null;
}

/** More than a fifth of the quota is left (more than 50, when the quota is unknown). */
export function isPlentyLeft({ remaining, quota }: Pick<Budget, 'remaining' | 'quota'>): boolean {
  return quota === null ? remaining > PLENTY_OF_UNKNOWN : freeOf(quota, remaining, 1) > 0;
}

/** Our `share` of a number of requests. At least one, because otherwise no request would ever be sent. */
export function shareOf(requests: number, share: number): number {
  return Math.max(1, Math.floor(requests * share));
}

/**
 * Milliseconds until the last of the next `requests` may be sent. The newest one was sent `sinceLastMs` ago; a negative
 * value means that it is booked for later. Our part is `share` of the quota. If the quota is unknown, our part is
 * `share` of what remains. Requests do not wait while more than a fifth of our part is left (50 requests, if the quota
 * is unknown). What remains then is spread over the time left. No wait goes beyond the reset.
 */
export function budgetDelay(
  budget: Pick<Budget, 'remaining' | 'resetMs' | 'quota'>,
  facts: { requests: number; sinceLastMs: number; share: number },
): number {
  const { remaining, resetMs, quota } = budget;
  const { requests, sinceLastMs, share } = facts;
  if (resetMs <= 0 || requests <= 0) return 0;
  const free = quota === null ? remaining - PLENTY_OF_UNKNOWN : freeOf(quota, remaining, share);
  if (requests <= free) return 0;
  const left = remaining - Math.max(0, free);
  const usable = quota === null ? Math.min(left, shareOf(left, share)) : left - reserveOf(quota, share);
  if (usable <= 0) return resetMs;
  // The request after the last one is sent at the reset, hence the `+ 1`. If the quota is unknown, our part is computed
  // again for each request, so nearly all of `left` may be used in the end.
  const last = quota === null ? left : usable;
  const spread = resetMs * Math.max(1 / (usable + 1), (requests - Math.max(0, free)) / (last + 1));
  return Math.min(resetMs, Math.max(0, spread - (free > 0 ? 0 : sinceLastMs)));
}

function reserveOf(quota: number, share: number): number {
  return quota - shareOf(quota, share);
}

function freeOf(quota: number, remaining: number, share: number): number {
  return remaining - reserveOf(quota, share) - Math.floor(shareOf(quota, share) * PLENTY);
}

/**
 * Our own count of the last window, as a budget. `starts`: ascending, in ms; includes requests that are booked for
 * later.
 */
export function countedBudget(starts: readonly number[], limit: RequestLimit, now: number): Budget {
  const counted = starts.filter((start) => start > now - limit.windowMs);
  return {
    remaining: limit.requests - counted.length,
    resetMs: counted[0] === undefined ? 0 : counted[0] + limit.windowMs - now,
    quota: limit.requests,
    windowMs: limit.windowMs,
  };
}

/**
 * Milliseconds until the last of the next `requests` may be sent, so that no window holds more requests than `limit`
 * allows. Each request waits until the one `limit.requests` places before it has left the window.
 */
export function windowDelay(
  starts: readonly number[],
  limit: RequestLimit,
  requests: number,
  now: number,
): number {
  if (requests <= 0) return 0;
  const rounds = Math.ceil(requests / limit.requests);
  const before = starts[starts.length + requests - 1 - limit.requests * rounds];
  return (
    (rounds - 1) * limit.windowMs + (before === undefined ? 0 : Math.max(0, before + limit.windowMs - now))
  );
}

/**
 * The least time from the first to the last of `requests`, in ms, if all of our `share` of the limit is left at the
 * start.
 */
export function leastTime(requests: number, share: number, limit = CLOUDFLARE_LIMIT): number {
  return windowDelay([], { ...limit, requests: shareOf(limit.requests, share) }, requests, 0);
}

function parseItems(header: string | null): { name: string; numbers: Map<string, number> }[] {
  return (header ?? '').split(',').map((item) => {
    const [name = '', ...parameters] = item.split(';');
    const numbers = new Map<string, number>();
    for (const parameter of parameters) {
      const match = /^([a-z]+)=(\d{1,9})$/.exec(parameter.trim());
      if (match) numbers.set(match[1]!, Number(match[2]));
    }
    return { name: name.trim(), numbers };
  });
}
