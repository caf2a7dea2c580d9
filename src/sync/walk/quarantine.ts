// Writes rejected records down while the walk goes on, in batches: also those of a run that fails or is dry. Their raw text
// holds emails and names, so it travels by COPY alone: parameters may be logged by the server.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, inArray, lte, sql } from 'drizzle-orm';
import { copyRows, type CopyValue } from '../../db/copy-rows.ts';
import { isConnectionLoss, isDuplicateKey, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { rejectedRecords } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../db/transaction.ts';
import type { Lease } from '../lease.ts';

export type RejectedRecord = { userId: string | null; reason: string; raw: string };

export type Quarantine = {
  /** Waits while a full batch is written: that holds the walk back. */
  add(records: readonly RejectedRecord[]): Promise<void>;
  /** Writes what is left. */
  flush(): Promise<void>;
};

// A record's text is cut at 4,096 characters: 4 MB at most.
const BATCH_RECORDS = 1_000;

export function createQuarantine(pool: Pool, lease: Pick<Lease, 'accountKey' | 'runId'>): Quarantine {
  let batch = new Map<string, RejectedRecord>();
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

function hashOf({ userId, reason, raw }: RejectedRecord): string {
  return (
    createHash('sha256')
      .update(reason)
      .update('\0')
      .update(raw)
      // Where the raw text is cut off, two users' records may look alike.
      .update('\0')
      .update(userId ?? '')
      .digest('hex')
  );
}

async function writeAgain(
  pool: Pool,
  lease: Pick<Lease, 'accountKey' | 'runId'>,
  records: ReadonlyMap<string, RejectedRecord>,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await write(pool, lease, records);
    } catch (error) {
      // The late batch of a run that lost its lease may have written the same record a moment ago.
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || !(isConnectionLoss(error) || isDuplicateKey(error))) throw error;
      await sleep(pause);
    }
  }
}

const COLUMNS = [
  'account_key',
  'record_hash',
  'user_id',
  'reason',
  'raw',
  'first_run_id',
  'last_run_id',
  'first_seen_at',
  'last_seen_at',
] as const;

async function write(
  pool: Pool,
  { accountKey, runId }: Pick<Lease, 'accountKey' | 'runId'>,
  records: ReadonlyMap<string, RejectedRecord>,
): Promise<void> {
  const r = rejectedRecords;
  await inTransaction(pool, DEFAULT_LIMITS, async (tx, client) => {
    const known = await tx
      .select({ hash: r.record_hash, now: sql<number>`extract(epoch from now())::float8` })
      .from(r)
      .where(and(eq(r.account_key, accountKey), inArray(r.record_hash, [...records.keys()])));
    if (known.length > 0)
      await tx
        .update(r)
        .set({ last_run_id: runId, last_seen_at: sql`now()` })
        .where(
          and(
            eq(r.account_key, accountKey),
            inArray(
              r.record_hash,
              known.map(({ hash }) => hash),
            ),
            // The late batch of a run that lost its lease does not set back what the newer run has noted.
            lte(r.last_run_id, runId),
          ),
        );
    const fresh = new Map(records);
    for (const { hash } of known) fresh.delete(hash);
    if (fresh.size === 0) return;
    const { rows } = await tx.execute<{ seconds: number; micros: number }>(
      sql`select floor(extract(epoch from now()))::float8 as seconds, extract(microseconds from now())::integer % 1000000 as micros`,
    );
    const now = rows[0];
    if (now === undefined) throw new Error('a select without a row');
    await copyRows(client, r, COLUMNS, rowsOf());
    function* rowsOf(): Generator<readonly CopyValue[]> {
      for (const [hash, { userId, reason, raw }] of fresh)
        yield [accountKey, hash, userId, reason, raw, runId, runId, now!, now!];
    }
  });
}
