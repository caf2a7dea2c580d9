// Deletes the old rows of one account, part by part, in short transactions. Each transaction is complete: it deletes
// the rows and moves the mark from which the history is whole. So the work may be interrupted or killed at any instant,
// and the next call continues.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type SQL } from 'drizzle-orm';
import { databaseError, isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import { refuseCopied, takeFeedValue } from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { retention as t } from '../../db/schema.ts';
import { columnNames } from '../../db/sql/column-names.ts';
import { REACH_WORKERS, setLocal } from '../../db/sql/set-local.ts';
import { inline, instant, whole } from '../../db/sql/inline-sql.ts';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { PRUNABLE, type Prunable, type Retention } from '../../retention.ts';
import type { Holder } from '../../sync/claim/claim-lease.ts';
import { whileHeld } from '../../sync/claim/hold-account.ts';
import type { LeaseTiming } from '../../sync/claim/lease.ts';
import { horizonOf, type Horizon } from './horizon.ts';
import { ROWS_PER_TRANSACTION, nextPiece, type Piece } from './parts.ts';

export type PruneDeps = {
  pool: Pool;
  timing: LeaseTiming;
  /** Rows of one transaction. A seam for tests. */
  mostRows?: number;
  /** Named points at which tests kill the process; nothing in production. */
  failpoint?: (name: 'deleted' | 'noted' | 'committed') => Promise<void>;
};

export type PruneRequest = {
  accountKey: number;
  retention: Retention;
  signal: AbortSignal;
  /** Rows so far, and how far the work has progressed. */
  onProgress?: (part: Prunable, rows: number, horizon: Horizon, upTo: number | null) => void;
  /** A run works on the account. True: wait until it has ended. */
  onBusy: (holder: Holder) => boolean;
};

export type PrunedPart = { part: Prunable; rows: number; wholeSince: string };

/** What was deleted. `busy`: the run that came in between, if the caller did not wait for it. */
export type PrunedAccount = { parts: PrunedPart[]; busy: Holder | null };

/** Throws the signal's reason between two transactions, and the errors of the database. */
export async function pruneAccount(deps: PruneDeps, request: PruneRequest): Promise<PrunedAccount> {
  const parts: PrunedPart[] = [];
  for (const part of PRUNABLE) {
    const keepMs = request.retention[part];
    if (keepMs === null) continue;
    const horizon = await horizonOf(deps.pool, request.accountKey, part, keepMs);
    if (horizon === null) continue;
    const one = { part, rows: 0, wholeSince: horizon.at };
    const busy = await prunePart(deps, request, horizon, one);
    if (one.rows > 0) parts.push(one);
    if (busy !== null) return { parts, busy };
  }
  return { parts, busy: null };
}

/** Adds the rows to `one`. If a run was under way, returns that run. */
async function prunePart(
  deps: PruneDeps,
  request: PruneRequest,
  horizon: Horizon,
  one: PrunedPart,
): Promise<Holder | null> {
  const most = deps.mostRows ?? ROWS_PER_TRANSACTION;
  let after = horizon.prunedUpTo;
  for (;;) {
    request.signal.throwIfAborted();
    const piece = await nextPiece(deps.pool, one.part, horizon, after, most);
    if (piece === null) return null;
    const removed = await removeAgain(deps, one.part, horizon, piece);
    if (typeof removed !== 'number') {
      if (!request.onBusy(removed)) return removed;
      await sleep(deps.timing.pollMs, undefined, { signal: request.signal }).catch(() => undefined);
      continue;
    }
    one.rows += removed;
    request.onProgress?.(one.part, one.rows, horizon, piece.upTo);
    await deps.failpoint?.('committed');
    if (removed === most) continue;
    if (piece.upTo === null) return null;
    after = piece.upTo;
  }
}

/** Each piece is found by the rows that are left. So it may be repeated, also after a COMMIT without a reply. */
async function removeAgain(
  deps: PruneDeps,
  part: Prunable,
  horizon: Horizon,
  piece: Piece,
): Promise<number | Holder> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await removePiece(deps, part, horizon, piece);
    } catch (error) {
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || !(error instanceof CommitUnknown || isPassing(error)))
        throw databaseError(error) ?? error;
      await sleep(pause);
    }
  }
}

/**
 * While an account loads for the first time, its publish holds the feed clock for half a minute. `prune` waits for a
 * shorter time, because a run of the account waits for `prune`.
 */
const CLOCK_MS = 3_000;

async function removePiece(
  { pool, timing, failpoint, mostRows = ROWS_PER_TRANSACTION }: PruneDeps,
  part: Prunable,
  horizon: Horizon,
  piece: Piece,
): Promise<number | Holder> {
  const { accountKey } = horizon;
  return inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    await holdSchema(tx);
    const held = await whileHeld(tx, { accountKey, timing }, async () => {
      // Pieces are small, whatever the planner expects: probes of an index, never the whole table.
      await tx.execute(
        sql.raw(setLocal(REACH_WORKERS, 'enable_hashjoin = off', 'enable_mergejoin = off', 'jit = off')),
      );
      const rows = (await tx.execute(sql.raw(inline(piece.remove)))).rowCount ?? 0;
      await failpoint?.('deleted');
      if (rows > 0) await note(tx, part, horizon, { rows, upTo: rows < mostRows ? piece.upTo : null });
      await failpoint?.('noted');
      return rows;
    });
    return 'holder' in held ? held.holder : held.done;
  });
}

/** Readers find the row by its feed value. The clock is the last lock, because all accounts wait for it. */
async function note(
  tx: Transaction,
  part: Prunable,
  { accountKey, at }: Horizon,
  { rows, upTo }: { rows: number; upTo: number | null },
): Promise<void> {
  await refuseCopied(tx, accountKey);
  const feedId = await takeFeedValue(tx, accountKey, { waitMs: CLOCK_MS });
  const set = (name: string, value: SQL) => sql`${sql.identifier(name)} = ${value}`;
  await tx.execute(
    sql.raw(
      inline(sql`
    insert into ${t} (${columnNames(t.account_key, t.dataset, t.whole_since, t.pruned_up_to, t.row_count, t.pruned_at, t.feed_id)})
    select ${whole(accountKey)}, ${sql.raw(`'${part}'`)}, ${instant(at)}, ${upTo === null ? sql`null::bigint` : whole(upTo)},
           ${whole(rows)}, now(), ${whole(feedId)}
    on conflict (${columnNames(t.account_key, t.dataset)}) do update set
      ${set('whole_since', sql`greatest(${t.whole_since}, excluded.whole_since)`)},
      ${set('pruned_up_to', sql`greatest(${t.pruned_up_to}, excluded.pruned_up_to)`)},
      ${set('row_count', sql`${t.row_count} + excluded.row_count`)},
      ${set('pruned_at', sql`excluded.pruned_at`)}, ${set('feed_id', sql`excluded.feed_id`)}`),
    ),
  );
}
