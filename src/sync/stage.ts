// Brings the accepted records of a walk into the staging table in bounded batches, and the rejected ones into
// quarantine. Memory stays that of one batch, whatever the size of the account.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, lte, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { copyRows, type CopyValue } from '../db/copy-rows.ts';
import { isConnectionLoss, RESTART_PAUSES_MS } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { readAgain } from '../db/read-again.ts';
import { rejectedRecords, stagedRecords } from '../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction } from '../db/transaction.ts';
import type { UserRisk } from '../user-risk.ts';
import type { Lease } from './lease.ts';
import type { PassOverlap } from './verdict.ts';

type StagedRun = Pick<Lease, 'accountKey' | 'runId'>;

export type RejectedRecord = { userId: string | null; reason: string; raw: string };
export type PageToStage = {
  /** Of the run: a pass that began again counts as another one. */
  pass: number;
  page: number;
  /** Rises through all passes: the same page may be staged more than once. */
  readOrder: number;
  users: UserRisk[];
  rejected: RejectedRecord[];
};

export type Stager = {
  /** Waits while a full batch is written: that is what holds the walk back. */
  add(page: PageToStage): Promise<void>;
  /** Writes what is still waiting for a full batch. */
  flush(): Promise<void>;
  /** Distinct users met so far, in the newest pass or in all, rejected records with a readable id included. Flushes. */
  countMet(pass?: number): Promise<number>;
  /** Users met in earlier passes only, in this one only, and in both. Flushes. */
  comparePasses(pass: number): Promise<PassOverlap>;
  /** Rows per pass that the database has acknowledged. */
  acknowledged(): ReadonlyMap<number, number>;
};

const BATCH_ROWS = 5_000;
// Nine parameters each, of the 65,535 that a statement may have.
const REJECTED_AT_ONCE = 1_000;

const COLUMNS = [
  'account_key',
  'run_id',
  'pass',
  'page',
  'position',
  'read_order',
  'user_id',
  'email',
  'name',
  'max_risk_level',
  'event_count',
  'last_event',
] as const;

export function createStager(pool: Pool, lease: StagedRun): Stager {
  let batch: PageToStage[] = [];
  let rows = 0;
  // One batch at a time: pages read side by side queue up here.
  let tail: Promise<void> = Promise.resolve();
  const acknowledged = new Map<number, number>();

  async function write(pages: PageToStage[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await writeBatch(pool, lease, pages, attempt > 0);
        break;
      } catch (error) {
        // After a lost reply the COMMIT may still have been on its way, and its rows are there by now: deleted next time.
        const cameLate = attempt > 0 && isDuplicate(error);
        const pause = RESTART_PAUSES_MS[attempt];
        if (pause === undefined || !(cameLate || isConnectionLoss(error))) throw error;
        await sleep(pause);
      }
    }
    for (const { pass, users } of pages) acknowledged.set(pass, (acknowledged.get(pass) ?? 0) + users.length);
  }

  function flush(): Promise<void> {
    const pages = batch;
    batch = [];
    rows = 0;
    if (pages.length > 0) tail = tail.then(() => write(pages));
    return tail;
  }

  return {
    async add(page) {
      batch.push(page);
      rows += page.users.length + page.rejected.length;
      if (rows >= BATCH_ROWS) await flush();
    },
    flush,
    async countMet(pass) {
      await flush();
      return countMet(pool, lease, pass);
    },
    async comparePasses(pass) {
      await flush();
      return comparePasses(pool, lease, pass);
    },
    acknowledged: () => acknowledged,
  };
}

/** `resend`: the reply to an earlier attempt was lost, and its rows may or may not be there. */
async function writeBatch(
  pool: Pool,
  lease: StagedRun,
  pages: readonly PageToStage[],
  resend: boolean,
): Promise<void> {
  await inTransaction(pool, DEFAULT_LIMITS, async (tx, client) => {
    if (resend) {
      for (const { pass, readOrder } of pages) {
        await tx
          .delete(stagedRecords)
          .where(
            and(
              eq(stagedRecords.account_key, lease.accountKey),
              eq(stagedRecords.run_id, lease.runId),
              eq(stagedRecords.pass, pass),
              eq(stagedRecords.read_order, readOrder),
            ),
          );
      }
    }
    await copyRows(client, stagedRecords, COLUMNS, stagedRows(lease, pages));
    const rejected = distinctRejected(pages);
    for (let start = 0; start < rejected.length; start += REJECTED_AT_ONCE) {
      await tx
        .insert(rejectedRecords)
        .values(
          rejected.slice(start, start + REJECTED_AT_ONCE).map((record) => ({
            account_key: lease.accountKey,
            record_hash: createHash('sha256')
              .update(record.reason)
              .update('\0')
              .update(record.raw)
              // Where the raw text is cut off, two users' records may look alike.
              .update('\0')
              .update(record.userId ?? '')
              .digest('hex'),
            user_id: record.userId,
            reason: record.reason,
            raw: record.raw,
            first_run_id: lease.runId,
            last_run_id: lease.runId,
            last_pass: record.pass,
            first_seen_at: sql`now()`,
            last_seen_at: sql`now()`,
          })),
        )
        .onConflictDoUpdate({
          target: [rejectedRecords.account_key, rejectedRecords.record_hash],
          set: {
            last_run_id: lease.runId,
            last_pass: sql`excluded.last_pass`,
            last_seen_at: sql`now()`,
          },
          // The late batch of a run that lost its lease does not set back what the newer run has noted.
          setWhere: lte(rejectedRecords.last_run_id, lease.runId),
        });
    }
  });
}

function* stagedRows(lease: StagedRun, pages: readonly PageToStage[]): Generator<readonly CopyValue[]> {
  for (const { pass, page, readOrder, users } of pages) {
    for (const [position, u] of users.entries()) {
      yield [
        lease.accountKey,
        lease.runId,
        pass,
        page,
        position,
        readOrder,
        u.user_id,
        u.email,
        u.name,
        u.max_risk_level,
        u.event_count,
        u.last_event,
      ];
    }
  }
}

// ON CONFLICT cannot touch one row twice in one statement.
function distinctRejected(pages: readonly PageToStage[]): (RejectedRecord & { pass: number })[] {
  const distinct = new Map<string, RejectedRecord & { pass: number }>();
  for (const { rejected, pass } of pages)
    for (const record of rejected)
      distinct.set(`${record.reason}\0${record.raw}\0${record.userId}`, { ...record, pass });
  return [...distinct.values()];
}

async function countMet(pool: Pool, lease: StagedRun, pass?: number): Promise<number> {
  const inPass = pass === undefined ? sql`true` : eq(stagedRecords.pass, pass);
  const rejectedInPass = pass === undefined ? sql`true` : eq(rejectedRecords.last_pass, pass);
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<{ met: number }>(sql`
    select count(*)::integer as met from (
      select ${stagedRecords.user_id} from ${stagedRecords}
       where ${stagedRecords.account_key} = ${lease.accountKey} and ${stagedRecords.run_id} = ${lease.runId} and ${inPass}
      union
      select ${rejectedRecords.user_id} from ${rejectedRecords}
       where ${rejectedRecords.account_key} = ${lease.accountKey} and ${rejectedRecords.last_run_id} = ${lease.runId}
         and ${rejectedRecords.user_id} is not null and ${rejectedInPass}) met`),
  );
  return rows[0]?.met ?? 0;
}

async function comparePasses(pool: Pool, lease: StagedRun, pass: number): Promise<PassOverlap> {
  const s = stagedRecords;
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<PassOverlap>(sql`
    select count(*) filter (where earlier and not this)::integer as "onlyEarlier",
           count(*) filter (where this and not earlier)::integer as "onlyThis",
           count(*) filter (where this and earlier)::integer as "both"
      from (select ${s.user_id}, bool_or(${s.pass} < ${pass}) as earlier, bool_or(${s.pass} = ${pass}) as this from ${s}
             where ${s.account_key} = ${lease.accountKey} and ${s.run_id} = ${lease.runId} group by 1) met`),
  );
  return rows[0] ?? { onlyEarlier: 0, onlyThis: 0, both: 0 };
}

function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === '23505';
}
