// Brings the stored emails and names of one account into line with PII_MODE and PII_KEY. The first transaction keeps
// all runs out, and the last one lets them in again. If a call is killed in between, the next call completes the
// change.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { databaseError, isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import { on } from '../../db/handle.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { userIdentities as i } from '../../db/schema.ts';
import { whole } from '../../db/sql/inline-sql.ts';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import type { Holder } from '../../sync/claim/claim-lease.ts';
import { whileHeld } from '../../sync/claim/hold-account.ts';
import { beginChange, endChange, holdsTooMuch, isSame, readMode, type TargetMode } from './change-mode.ts';
import { readBatch, writeBatch, type RewriteHooks } from './rewrite-identities.ts';

export type ApplyDeps = RewriteHooks & { pool: Pool };

export type ApplyRequest = {
  accountKey: number;
  target: TargetMode;
  signal: AbortSignal;
  onProgress?: (done: number, total: number) => void;
  /** A run works on the account, and the call waits for it. */
  onBusy: (holder: Holder) => void;
};

export type AppliedMode = {
  /** Whether the recorded mode or key was different, or an earlier change was not complete. */
  changed: boolean;
  identities: number;
  rejected: number;
};

/** The number of identities to rewrite, and whether anything would change. */
export async function previewMode(
  pool: Pool,
  accountKey: number,
  target: TargetMode,
): Promise<{ changed: boolean; identities: number }> {
  const recorded = await readMode(pool, accountKey);
  const { rows } = await on(pool).execute<{ count: number }>(sql`
    select count(*)::float8 as count from ${i} where ${i.account_key} = ${whole(accountKey)} and ${holdsTooMuch(target)}`);
  const identities = rows[0]?.count ?? 0;
  return {
    changed: identities > 0 || !isSame(recorded, target) || recorded?.isApplied === false,
    identities,
  };
}

/** Throws the signal's reason between two transactions, IDENTITY_MODE, and the errors of the database. */
export async function applyMode(deps: ApplyDeps, request: ApplyRequest): Promise<AppliedMode> {
  const { pool, failpoint } = deps;
  const { accountKey, target } = request;
  const { changed, identities: total } = await previewMode(pool, accountKey, target);
  if (!changed) return { changed, identities: 0, rejected: 0 };
  const rejected = await inTurn(deps, request, (tx) => beginChange(tx, accountKey, target));
  await failpoint?.('begun');
  let identities = 0;
  if (target.mode !== 'full') {
    do identities += await rewriteAll(deps, request, identities, total);
    while (!(await inTurn(deps, request, (tx) => endChange(tx, accountKey, target))));
  }
  await failpoint?.('ended');
  return { changed, identities, rejected };
}

const FIRST_ROWS = 200;
const MOST_ROWS = 5_000;
const MAX_BYTES = 1024 * 1024;

/** Returns the number of rewritten identities. */
async function rewriteAll(
  deps: ApplyDeps,
  request: ApplyRequest,
  before: number,
  total: number,
): Promise<number> {
  const { accountKey, target, signal } = request;
  let done = 0;
  let from = 0;
  let limit = FIRST_ROWS;
  for (;;) {
    signal.throwIfAborted();
    const batch = await readBatch(deps.pool, accountKey, target, { from, limit });
    if (batch.rows.length === 0) return done;
    await again(async () => {
      for (;;) {
        const holder = await writeBatch(deps.pool, accountKey, target, batch, deps);
        if (holder === null) return;
        await wait(deps, request, holder);
      }
    });
    await deps.failpoint?.('committed');
    done += batch.rows.length;
    // The batch may end within the last user's versions.
    from = batch.lastUserKey;
    // Names may be ten thousand characters long.
    limit = Math.max(
      50,
      Math.min(MOST_ROWS, limit * 5, Math.floor((MAX_BYTES * batch.rows.length) / batch.bytes)),
    );
    request.onProgress?.(before + done, total);
  }
}

/** One short transaction that holds the account. Waits if a run is under way. */
async function inTurn<T>(
  deps: ApplyDeps,
  request: ApplyRequest,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { accountKey } = request;
  return again(async () => {
    for (;;) {
      request.signal.throwIfAborted();
      const held = await inTransaction(deps.pool, DEFAULT_LIMITS, async (tx) => {
        await holdSchema(tx);
        return whileHeld(tx, { accountKey, timing: deps.timing }, () => work(tx));
      });
      if ('done' in held) return held.done;
      await wait(deps, request, held.holder);
    }
  });
}

async function wait({ timing }: ApplyDeps, { onBusy, signal }: ApplyRequest, holder: Holder): Promise<void> {
  onBusy(holder);
  await sleep(timing.pollMs, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

/** Each transaction may be repeated, also after a COMMIT without a reply: finished rows are not found again. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || !(error instanceof CommitUnknown || isPassing(error)))
        throw databaseError(error) ?? error;
      await sleep(pause);
    }
  }
}
