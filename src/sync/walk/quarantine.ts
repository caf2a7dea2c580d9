// Writes rejected records to the database in batches while the walk goes on, even if the run fails or is a dry run.
// Keeps a limited number for each account, and for a limited time: the texts are personal data. Their raw text holds
// emails and names. So it travels only by COPY, because the server may log parameters. It holds no lock that another
// run of the account could wait for: a claim skips a lease that is locked.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, sql, type SQL } from 'drizzle-orm';
import { orAborted } from '../../cloudflare/or-aborted.ts';
import { columnNames } from '../../db/sql/column-names.ts';
import { copyRows, type CopyValue } from '../../db/copy-rows.ts';
import { databaseError, isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import type { Pool, PoolClient } from '../../db/pool.ts';
import { leases, rejectedRecords, stagedRejected } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import type { PiiPolicy } from '../../pii-policy.ts';
import type { Lease } from '../claim/lease.ts';
import { checkMode, holdMode } from '../state/identity-mode.ts';
import { deleteExpired, deleteOf } from './expired-records.ts';
import { countReason, type ReasonCounts } from './reason-counts.ts';

export type Rejection = { userId: string | null; reason: string; raw: string };

export type Quarantine = {
  /**
   * Waits while a full batch is written, which slows the walk down. Returns how many records are only counted, because
   * the run has kept enough others. Throws the reason of the signal.
   */
  add(page: { rejections: readonly Rejection[]; unkept: ReasonCounts }): Promise<ReasonCounts>;
  /** Writes the remaining records, and deletes records that were not met during the retention. */
  end(): Promise<void>;
};

/**
 * Raw texts that an account keeps. They take 40 MB at most, and people do not read more of them. For the others, the
 * counts by reason are enough.
 */
export const KEPT_RECORDS = 10_000;
// A record's text is cut at 4,096 characters, so a batch takes at most 4 MB.
const BATCH_RECORDS = 1_000;
/** The time for the last batch of a run that was told to stop. */
const GRACE_MS = 5_000;

export type QuarantineOptions = {
  /** Records that were last met longer ago than this are deleted. */
  retentionMs: number;
  /** The texts are already reduced by this policy. */
  pii: Pick<PiiPolicy, 'mode' | 'keyId'>;
  /** Ends the run: nothing waits for the database any longer. */
  signal: AbortSignal;
  /** Seam for tests. */
  keptRecords?: number;
};

export function createQuarantine(
  pool: Pool,
  lease: Pick<Lease, 'accountKey' | 'accountId' | 'runId' | 'owner'>,
  { retentionMs, pii, signal, keptRecords = KEPT_RECORDS }: QuarantineOptions,
): Quarantine {
  let batch = new Map<string, Rejection>();
  // The records that this run keeps. If another pass brings one of them again, it is known.
  const kept = new Set<string>();
  // One batch at a time: pages read side by side wait here for their turn.
  let tail: Promise<void> = Promise.resolve();

  function flush(stop: AbortSignal): Promise<void> {
    const records = batch;
    batch = new Map();
    if (records.size > 0)
      tail = tail.then(() => writeAgain(pool, lease, records, { keptRecords, pii, stop }));
    // Until it is awaited, a failure must not count as an unhandled rejection.
    tail.catch(() => undefined);
    return orAborted(tail, stop);
  }

  return {
    async add({ rejections, unkept }) {
      const counted = new Map(unkept);
      for (const record of rejections) {
        const hash = hashOf(record);
        if (kept.has(hash)) continue;
        if (kept.size >= keptRecords) {
          countReason(counted, record.reason, 1);
          continue;
        }
        kept.add(hash);
        batch.set(hash, record);
      }
      if (batch.size >= BATCH_RECORDS) await flush(signal);
      return counted;
    },
    async end() {
      const stop = signal.aborted ? AbortSignal.timeout(GRACE_MS) : signal;
      await flush(stop);
      // The next run deletes what cannot be deleted now: it must not fail this run.
      await orAborted(deleteExpired(pool, lease.accountKey, retentionMs), stop).catch((error: unknown) => {
        if (stop.aborted || databaseError(error) === undefined) throw error;
      });
    },
  };
}

function hashOf({ userId, reason, raw }: Rejection): string {
  return (
    createHash('sha256')
      .update(reason)
      .update('\0')
      .update(raw)
      // If the raw text is cut off, the records of two users may look the same.
      .update('\0')
      .update(userId ?? '')
      .digest('hex')
  );
}

type WriteOptions = Pick<QuarantineOptions, 'pii'> & { keptRecords: number; stop: AbortSignal };

async function writeAgain(
  pool: Pool,
  lease: Pick<Lease, 'accountKey' | 'accountId' | 'runId' | 'owner'>,
  records: ReadonlyMap<string, Rejection>,
  options: WriteOptions,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await write(pool, lease, records, options);
    } catch (error) {
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || options.stop.aborted || !isPassing(error)) throw error;
      await sleep(pause);
    }
  }
}

const COLUMNS = ['account_key', 'record_hash', 'user_id', 'reason', 'raw'] as const;

async function write(
  pool: Pool,
  lease: Pick<Lease, 'accountKey' | 'accountId' | 'runId' | 'owner'>,
  records: ReadonlyMap<string, Rejection>,
  { keptRecords, pii, stop }: WriteOptions,
): Promise<void> {
  const { accountKey, runId, owner } = lease;
  function* rows(): Generator<readonly CopyValue[]> {
    for (const [hash, { userId, reason, raw }] of records) yield [accountKey, hash, userId, reason, raw];
  }
  const [r, s] = [rejectedRecords, stagedRejected];
  const work = async (tx: Transaction, client: PoolClient) => {
    // A run that lost its lease may be older than a change of the mode.
    await checkMode(tx, lease, pii);
    await copyRows(client, s, COLUMNS, rows());
    // A run that lost its lease writes nothing: the person of a record may have been erased since. The check follows
    // the COPY, because no limit of the server ends a COPY, and no run can take the account over while the lease is
    // locked.
    const [mine] = await tx
      .select({ owner: leases.owner })
      .from(leases)
      .where(and(eq(leases.account_key, accountKey), eq(leases.owner, owner)))
      .for('key share');
    await holdMode(tx, lease, pii);
    if (mine === undefined) return void (await tx.delete(s).where(eq(s.account_key, accountKey)));
    // Always in the same order, so that two writers cannot deadlock.
    await tx.execute(sql`
      insert into ${r} (${columnNames(
        r.account_key,
        r.record_hash,
        r.user_id,
        r.reason,
        r.raw,
        r.first_run_id,
        r.last_run_id,
        r.first_seen_at,
        r.last_seen_at,
      )})
      select ${s.account_key}, ${s.record_hash}, ${s.user_id}, ${s.reason}, ${s.raw}, ${runId}::bigint, ${runId}::bigint, now(), now()
        from ${s} where ${s.account_key} = ${accountKey} order by ${s.record_hash}
      on conflict (${columnNames(r.account_key, r.record_hash)}) do update
         set ${columnNames(r.last_run_id)} = excluded.last_run_id, ${columnNames(r.last_seen_at)} = excluded.last_seen_at
       -- A late batch of a run that lost its lease must not overwrite what the newer run has noted.
       where ${r.last_run_id} <= excluded.last_run_id`);
    await deleteOf(tx, accountKey, beyond(accountKey, keptRecords));
    await tx.delete(s).where(eq(s.account_key, accountKey));
  };
  await inTransaction(pool, DEFAULT_LIMITS, work, stop);
}

/** The records of an account beyond the newest `most`. */
function beyond(accountKey: number, most: number): SQL {
  const r = rejectedRecords;
  return sql`select ${r.record_hash} as hash from ${r} where ${r.account_key} = ${accountKey}
    order by ${r.last_run_id} desc offset ${most}`;
}
