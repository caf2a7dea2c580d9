// How fast to ask. The budget is shared with the dashboard, and overdrawing it blocks every call for minutes.
import type { Sleep } from './retry.ts';

/** One policy of the `Ratelimit` header: how many requests are left until `resetMs` from now; quota null when unknown. */
export type Budget = { remaining: number; resetMs: number; quota: number | null };

export type Pacer = {
  /** Waits until the next request may go. Resolves with the wait in ms; rejects with signal.reason. */
  turn(signal: AbortSignal): Promise<number>;
  /** Takes the budgets that an answer brought. */
  observe(budgets: readonly Budget[]): void;
  /** Holds back every request of the client. */
  pause(ms: number): void;
};

/**
 * Reads `Ratelimit: "default";r=50;t=30` (several, separated by commas) with the quotas of `Ratelimit-Policy:
 * "default";q=1200;w=300`. A policy of another name counts when it is the only one. What cannot be read is skipped.
 */
export function parseBudgets(ratelimit: string | null, policy: string | null): Budget[] {
  const quotas = parseItems(policy).filter((item) => item.numbers.has('q'));
  return parseItems(ratelimit).flatMap(({ name, numbers }) => {
    const remaining = numbers.get('r');
    const seconds = numbers.get('t');
    if (remaining === undefined || seconds === undefined) return [];
    const own = quotas.find((item) => item.name === name) ?? (quotas.length === 1 ? quotas[0] : undefined);
    return [{ remaining, resetMs: seconds * 1000, quota: own?.numbers.get('q') ?? null }];
  });
}

/** The budget that runs out first: fewest left, then longest to wait. */
export function tightestBudget(budgets: readonly Budget[]): Budget | null {
  return budgets.toSorted((a, b) => a.remaining - b.remaining || b.resetMs - a.resetMs)[0] ?? null;
}

/**
 * Milliseconds before the next request, when the last one went `sinceLastMs` ago (negative: is booked for later).
 * None while plenty remains (over 20 % of the quota; over 50 when it is unknown), else what remains is spread over the time left,
 * less a reserve for the dashboard: 5 % of the quota, or a quarter of what remains when it is unknown.
 */
export function requestDelay(budget: Budget, sinceLastMs: number): number {
  const { remaining, resetMs, quota } = budget;
  if (resetMs <= 0 || remaining > (quota === null ? 50 : quota * 0.2)) return 0;
  const usable = remaining - Math.floor(quota === null ? remaining / 4 : quota * 0.05);
  if (usable <= 0) return resetMs;
  return Math.min(resetMs, Math.max(0, resetMs / usable - sinceLastMs));
}

/** One per client. `maxWaitMs` caps what a header can ask for; `now` in ms, best monotonic. */
export function createPacer(options: { sleep: Sleep; now: () => number; maxWaitMs: number }): Pacer {
  const { sleep, now, maxWaitMs } = options;
  let budgets: { remaining: number; resetAt: number; quota: number | null }[] = [];
  let lastStart = Number.NEGATIVE_INFINITY;
  let pausedUntil = Number.NEGATIVE_INFINITY;

  // Booked at once, so that requests that wait at the same time line up behind each other.
  function book(): number {
    const time = now();
    const delays = budgets.map(({ remaining, resetAt, quota }) =>
      requestDelay({ remaining, quota, resetMs: resetAt - time }, time - lastStart),
    );
    for (const budget of budgets) budget.remaining = Math.max(0, budget.remaining - 1);
    lastStart = Math.max(time + Math.max(0, ...delays), pausedUntil);
    return lastStart;
  }

  return {
    async turn(signal) {
      signal.throwIfAborted();
      let start = book();
      let waited = 0;
      for (;;) {
        const wait = start - now();
        if (wait > 0) {
          await sleep(wait, signal);
          waited += wait;
        }
        // A 429 may have come for somebody else meanwhile.
        if (pausedUntil <= start) return waited;
        start = pausedUntil;
      }
    },
    observe(seen) {
      if (seen.length === 0) return;
      budgets = seen.map(({ remaining, resetMs, quota }) => ({
        remaining,
        resetAt: now() + Math.min(resetMs, maxWaitMs),
        quota,
      }));
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + Math.min(ms, maxWaitMs));
    },
  };
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
