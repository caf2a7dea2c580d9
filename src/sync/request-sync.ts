// The only way to start a run, whatever triggers it: claims the account, waits for a silent holder, runs, and says how
// the run ended.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError, isConnectionLoss, isHostAway } from '../db/database-errors.ts';
import { OperatorError, stackOf } from '../errors.ts';
import { withLogFields } from '../logger.ts';
import { claimLease, judgeHolder, type Claim, type Holder } from './claim/claim-lease.ts';
import type { Lease, Trigger } from './claim/lease.ts';
import { processIdentity } from '../host/process-identity.ts';
import { startBudget, type TimeBudget } from './time-budget.ts';
import { runSync, type RunDeps, type RunResult } from './run-sync.ts';
import type { PublishHooks } from './publish/publish.ts';
import type { WalkProgress } from './walk/walk.ts';

export type SyncRequest = {
  accountId: string;
  trigger: Trigger;
  scheduledFor?: Date;
  dryRun?: boolean;
  acceptMassClear?: boolean;
  /** The instant of the snapshot, in place of the database's current time. For demo, import and tests. */
  observedAt?: Date;
  signal: AbortSignal;
  /** More statements for the transaction of the publish. */
  alongside?: PublishHooks['alongside'];
  onClaimed?: (lease: Lease) => void;
  onProgress?: (progress: WalkProgress) => void;
};

export type SyncOutcome =
  | { kind: 'ran'; runId: number; dryRun: boolean; result: RunResult }
  | { kind: 'already_running'; holder: Holder }
  | { kind: 'slot_done'; runId: number };

/** A person waits for it at the command line. */
const isByHand = ({ trigger }: SyncRequest) => trigger === 'cli' || trigger === 'import';

/** Throws only if the run cannot start: an unreachable database, a retired account, an interrupt. */
export async function requestSync(deps: RunDeps, request: SyncRequest): Promise<SyncOutcome> {
  const claim = await claimOrWait(deps, request);
  if (claim.kind === 'held') return { kind: 'already_running', holder: claim.holder };
  if (claim.kind === 'slot_done') return claim;
  const { lease } = claim;
  return withLogFields({ run_id: lease.runId, account_id: lease.accountId }, () =>
    runClaimed(deps, request, claim).finally(() => claim.budget.end()),
  );
}

async function runClaimed(
  deps: RunDeps,
  request: SyncRequest,
  { lease, tookOver, budget }: Claimed,
): Promise<SyncOutcome> {
  const { logger } = deps;
  if (tookOver !== null) logger.warn({ abandoned_run_id: tookOver }, 'took over from a run that has died');
  logger.info(
    {
      trigger: lease.trigger,
      ...(request.scheduledFor ? { scheduled_for: request.scheduledFor.toISOString() } : {}),
    },
    'run started',
  );
  request.onClaimed?.(lease);
  const result = await runSync(deps, {
    lease,
    budget,
    observedAt: request.observedAt?.toISOString() ?? lease.startedAt,
    dryRun: request.dryRun ?? false,
    acceptMassClear: request.acceptMassClear ?? false,
    signal: request.signal,
    ...(request.alongside ? { alongside: request.alongside } : {}),
    onProgress: request.onProgress ?? (() => undefined),
  });
  if (result.error === null) logger.info(logFields(result), 'run succeeded');
  else {
    // A shutdown is not an error: the next process continues.
    const { code, happened, todo, cause } = result.error;
    // The command line prints the error itself. An unattended run has only its log to say what to do.
    const words = isByHand(request) ? {} : { problem: happened, todo };
    // The message of an UNEXPECTED error promises a stack trace in every place that prints the error.
    const stack = code === 'UNEXPECTED' && logger.isLevelEnabled('debug') ? { stack: stackOf(cause) } : {};
    logger[code === 'INTERRUPTED' ? 'warn' : 'error'](
      { error_code: code, ...words, ...logFields(result), ...stack },
      'run failed',
    );
  }
  return { kind: 'ran', runId: lease.runId, dryRun: request.dryRun ?? false, result };
}

type Claimed = Extract<Claim, { kind: 'claimed' }> & { budget: TimeBudget };

/** The time of the run begins with the claim that succeeds: the wait for another run does not count. */
async function claimOrWait(
  deps: RunDeps,
  request: SyncRequest,
): Promise<Exclude<Claim, { kind: 'claimed' }> | Claimed> {
  const owner = randomUUID();
  const identity = processIdentity();
  if (request.observedAt) await refuseFuture(deps, request.observedAt);
  let silentSince: number | null = null;
  for (let attempt = 1; ; attempt++) {
    request.signal.throwIfAborted();
    let claim: Claim;
    const budget = startBudget(deps.settings.timeBudgetMs);
    try {
      claim = await claimLease(deps.pool, {
        accountId: request.accountId,
        owner,
        trigger: request.trigger,
        scheduledFor: request.scheduledFor ?? null,
        identity,
        timing: deps.timing,
        signal: AbortSignal.any([request.signal, budget.over]),
      });
    } catch (error) {
      budget.end();
      // A repeated claim is the same claim, because its owner is the same.
      if (attempt < 3 && isConnectionLoss(error) && !isHostAway(error)) continue;
      throw databaseError(error) ?? error;
    }
    if (claim.kind === 'claimed') return { ...claim, budget };
    budget.end();
    if (claim.kind !== 'held') return claim;
    const { holder } = claim;
    // Only the command line waits here. `serve` looks again on its own, and goes on with other accounts.
    if (!isByHand(request) || judgeHolder(holder, deps.timing, false) === 'running') return claim;
    if (silentSince === null) {
      silentSince = holder.silentMs;
      deps.logger.info(
        {
          account_id: request.accountId,
          run_id: holder.runId,
          host: holder.host,
          silent_ms: Math.round(holder.silentMs),
        },
        'waiting until a silent run moves or expires',
      );
    }
    await sleep(deps.timing.pollMs, undefined, { signal: request.signal }).catch(() => {
      throw request.signal.reason;
    });
  }
}

async function refuseFuture(deps: RunDeps, observedAt: Date): Promise<void> {
  const { rows } = await drizzle(deps.pool).execute<{ future: boolean }>(
    sql`select ${observedAt.toISOString()}::timestamptz > now() as future`,
  );
  if (rows[0]?.future !== true) return;
  throw new OperatorError({
    code: 'FUTURE_INSTANT',
    happened: `${observedAt.toISOString()} is later than the database's clock`,
    means: 'A snapshot from the future would block every later run',
    todo: 'Give a time that has passed',
  });
}

function logFields({ published, facts, phases }: RunResult): Record<string, unknown> {
  return {
    ...(published === null
      ? {}
      : {
          snapshot_id: published.snapshotId,
          verdict: published.verdict,
          users: published.users,
          appeared: published.appeared,
          raised: published.raised,
          lowered: published.lowered,
          cleared: published.cleared,
          returned: published.returned,
          renamed: published.renamed,
          activity_changed: published.activityChanged,
        }),
    pages: facts.pages,
    requests: facts.requests,
    retries: facts.retries,
    rejected: facts.rejected,
    walk_ms: Math.round(phases.walkMs),
    publish_ms: Math.round(phases.publishMs),
  };
}
