// Writes rejected records to the database in batches while the walk goes on, even if the run fails or is a dry run.
// Their raw text holds emails and names. So it travels only by COPY, because the server may log parameters. It holds no
// lock that another run of the account could wait for.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eq, sql } from 'drizzle-orm';
import { columnNames } from '../../db/sql/column-names.ts';
import { copyRows, type CopyValue } from '../../db/copy-rows.ts';
import { isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { rejectedRecords, stagedRejected } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../db/transaction.ts';
import type { Lease } from '../claim/lease.ts';

export type Rejection = { userId: string | null; reason: string; raw: string };

export type Quarantine = {
  /** Waits while a full batch is written, which slows the walk down. */
  add(records: readonly Rejection[]): Promise<void>;
  /** Writes the remaining records. */
  flush(): Promise<void>;
};

// A record's text is cut at 4,096 characters, so a batch takes at most 4 MB.
const BATCH_RECORDS = 1_000;

export function createQuarantine(pool: Pool, lease: Pick<Lease, 'accountKey' | 'runId'>): Quarantine {
  let batch = new Map<string, Rejection>();
  // One batch at a time: pages read side by side queue up here.
  let tail: Promise<void> = Promise.resolve();

  function flush(): Promise<void> {
    const records = batch;
    batch = new Map();
    if (records.size > 0) tail = tail.then(() => writeAgain(pool, lease, records));
    return tail;
  }

  return {
    async add(records) {
      for (const record of records) batch.set(hashOf(record), record);
      if (batch.size >= BATCH_RECORDS) await flush();
    },
    flush,
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

async function writeAgain(
  pool: Pool,
  lease: Pick<Lease, 'accountKey' | 'runId'>,
  records: ReadonlyMap<string, Rejection>,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await write(pool, lease, records);
    } catch (error) {
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || !isPassing(error)) throw error;
      await sleep(pause);
    }
  }
}

const COLUMNS = ['account_key', 'record_hash', 'user_id', 'reason', 'raw'] as const;

async function write(
  pool: Pool,
  { accountKey, runId }: Pick<Lease, 'accountKey' | 'runId'>,
  records: ReadonlyMap<string, Rejection>,
): Promise<void> {
  function* rows(): Generator<readonly CopyValue[]> {
    for (const [hash, { userId, reason, raw }] of records) yield [accountKey, hash, userId, reason, raw];
  }
  const [r, s] = [rejectedRecords, stagedRejected];
  await inTransaction(pool, DEFAULT_LIMITS, async (tx, client) => {
    await copyRows(client, s, COLUMNS, rows());
    // Always in the same order, so that two writers cannot wait for each other in a circle.
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
    await tx.delete(s).where(eq(s.account_key, accountKey));
  });
}
