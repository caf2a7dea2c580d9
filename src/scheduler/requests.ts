// Runs outside the schedule, at most one request per account. The caller learns how the run began, and does not wait
// for its end.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import type { SyncOutcome, SyncRequest } from '../sync/request-sync.ts';
import { troubleFields } from './trouble.ts';

export type RunStart =
  | { status: 'started'; run_id: number }
  | { status: 'already_running'; run_id: number; since: string; host: string }
  /** It waits behind other runs. */
  | { status: 'queued' };

export type Requests = {
  /** Resolves with how the run began. Rejects with the reason if the run could not begin. */
  add(accountId: string): Promise<RunStart>;
  /** Resolves when no requested run is under way, even if some have failed. */
  settled(): Promise<void>;
};

type RequestDeps = {
  /** After this time the caller gets the answer "queued". */
  queuedMs: number;
  logger: Pick<Logger, 'warn' | 'error' | 'isLevelEnabled'>;
  signal: AbortSignal;
  run: (request: Omit<SyncRequest, 'signal'>) => Promise<SyncOutcome>;
  /** Waits until there is room for another account. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
};

export function createRequests(deps: RequestDeps): Requests {
  const underWay = new Map<string, Promise<unknown>>();
  return {
    async add(accountId) {
      if (underWay.has(accountId)) return { status: 'queued' };
      const { running, began } = startRun(deps, accountId);
      underWay.set(accountId, running);
      let isAnswered = false;
      const over = () => underWay.delete(accountId);
      running.then(over, (error: unknown) => {
        over();
        // A shutdown is not an error.
        const level = deps.signal.aborted ? 'warn' : 'error';
        if (isAnswered)
          deps.logger[level](
            { account_id: accountId, ...troubleFields(error, deps.logger) },
            'requested run failed',
          );
      });
      try {
        return await orQueued(began, deps.queuedMs);
      } finally {
        isAnswered = true;
      }
    },
    async settled() {
      await Promise.allSettled(underWay.values());
    },
  };
}

/** `began` rejects with the reason if the run could not begin. */
function startRun(
  { run, inTurn }: RequestDeps,
  accountId: string,
): { running: Promise<void>; began: Promise<RunStart> } {
  const { promise: claimed, resolve } = Promise.withResolvers<RunStart>();
  const running = inTurn(async () => {
    const outcome = await run({
      accountId,
      trigger: 'http',
      onClaimed: (lease) => resolve({ status: 'started', run_id: lease.runId }),
    });
    if (outcome.kind === 'already_running') {
      const { runId, startedAt, host } = outcome.holder;
      resolve({ status: 'already_running', run_id: runId, since: startedAt.toISOString(), host });
    }
  });
  return { running, began: Promise.race([claimed, running.then(() => claimed)]) };
}

async function orQueued(began: Promise<RunStart>, ms: number): Promise<RunStart> {
  const ahead = new AbortController();
  const queued = sleep(ms, { status: 'queued' } as const, { signal: ahead.signal });
  queued.catch(() => undefined);
  try {
    return await Promise.race([began, queued]);
  } finally {
    ahead.abort();
  }
}
