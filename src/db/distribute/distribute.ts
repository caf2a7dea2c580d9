// Distributes the tables of a history over the nodes of Citus, by account. One transaction under the lock of a
// migration: after a kill, nothing has changed. Running it twice does no harm.
import { sql } from 'drizzle-orm';
import { OperatorError } from '../../errors.ts';
import { LOCK_TO_MIGRATE } from '../locks/schema-lock.ts';
import type { Pool } from '../pool.ts';
import { inTransaction, type Transaction } from '../transaction.ts';
import { letRolesReachNodes } from '../roles.ts';
import { requireCoordinator } from './citus.ts';
import { distributeFunctions } from './distribute-functions.ts';
import { readNotes, restoreNotes } from './kept-notes.ts';
import { ANCHOR, isNothing, planDistribution, type Distribution } from './plan-distribution.ts';
import { readForeignKeys, readTables } from './read-tables.ts';

// All rows of a table travel to the workers within one statement.
const LIMITS = { lockMs: 300_000, idleMs: 600_000, statementMs: 0 };

export type DistributeDeps = {
  pool: Pool;
  signal: AbortSignal;
  /** `done` of `total` tables; `table` is the next one. */
  onProgress: (step: { table: string; done: number; total: number }) => void;
  /** A seam for tests: before each table, and before the commit (null). */
  beforeStep?: (table: string | null) => Promise<void>;
};

/** Lists what is missing. Changes nothing. Throws CITUS_MISSING and CITUS_NODE. */
export async function missingDistribution(tx: Transaction): Promise<Distribution> {
  await requireCoordinator(tx);
  return planDistribution(await readTables(tx), await readForeignKeys(tx));
}

/**
 * The schema must be the one of this version. Returns the tables that this call distributed. Throws CITUS_MISSING and
 * CITUS_NODE.
 */
export async function distribute({
  pool,
  signal,
  onProgress,
  beforeStep,
}: DistributeDeps): Promise<readonly string[]> {
  return inTransaction(
    pool,
    LIMITS,
    async (tx) => {
      await requireCoordinator(tx);
      await tx.execute(sql.raw(LOCK_TO_MIGRATE));
      const before = async (table: string, done: number, total: number) => {
        onProgress({ table, done, total });
        await beforeStep?.(table);
      };
      const tables = await distributeMissing(tx, before);
      await distributeFunctions(tx);
      await letRolesReachNodes(tx);
      await beforeStep?.(null);
      return tables;
    },
    signal,
  );
}

/** Call it in the transaction of a migration, or of `distribute`. */
export async function distributeMissing(
  tx: Transaction,
  before: (table: string, done: number, total: number) => Promise<void> = async () => undefined,
): Promise<readonly string[]> {
  const plan = await missingDistribution(tx);
  if (isNothing(plan)) return [];
  const total = plan.reference.length + plan.distributed.length;
  await tx.execute(sql.raw(SEQUENTIAL));
  const notes = await readNotes(tx);
  for (const { table, name } of plan.foreignKeys)
    await tx.execute(sql.raw(`alter table ${table} drop constraint "${name}"`));
  for (const [done, table] of plan.reference.entries()) {
    await before(table, done, total);
    await tx.execute(sql`select create_reference_table(${table}::regclass)`);
    await dropLocalRows(tx, table);
  }
  if (plan.distributed.includes(ANCHOR)) await giveEachAccountAClock(tx);
  for (const [done, table] of plan.distributed.entries()) {
    await before(table, done + plan.reference.length, total);
    await tx.execute(
      sql`select create_distributed_table(${table}::regclass, 'account_key', colocate_with => ${table === ANCHOR ? 'none' : ANCHOR})`,
    );
    await dropLocalRows(tx, table);
  }
  for (const { table, name, definition } of plan.foreignKeys)
    await tx.execute(sql.raw(`alter table ${table} add constraint "${name}" ${definition}`));
  await restoreNotes(tx, notes);
  return [...plan.reference, ...plan.distributed];
}

/**
 * Citus refuses a statement on one node after one on all nodes at once. With this setting, it asks the nodes one after
 * another. Its notices about copied rows are meant for a person in psql.
 */
export const SEQUENTIAL =
  "set local citus.multi_shard_modify_mode = 'sequential'; set local client_min_messages = 'warning'";

/** Citus hides the old local rows, and leaves them on the disk. */
async function dropLocalRows(tx: Transaction, table: string): Promise<void> {
  await tx.execute(sql`select truncate_local_data_after_distributing_table(${table}::regclass)`);
}

/**
 * The one clock becomes a clock per account, with the same value, epoch and past: so the watermarks of readers stay
 * valid. From now on, the place of each clock is its node, which the first writer notes. That does not count as a move.
 */
async function giveEachAccountAClock(tx: Transaction): Promise<void> {
  await tx.execute(sql`insert into risk_internal.feed_clock (account_key, last_snapshot_id, epoch, place, copied_at)
    select a.account_key, c.last_snapshot_id, c.epoch, null, c.copied_at from risk.accounts a, risk_internal.feed_clock c
     where c.account_key = 0`);
  await tx.execute(sql`insert into risk_internal.epochs (account_key, epoch, previous_epoch, began_after, began_at, reason)
    select a.account_key, e.epoch, e.previous_epoch, e.began_after, e.began_at, e.reason
      from risk.accounts a, risk_internal.epochs e where e.account_key = 0`);
  await tx.execute(sql`delete from risk_internal.epochs where account_key = 0`);
  await tx.execute(sql`delete from risk_internal.feed_clock where account_key = 0`);
  await tx.execute(
    sql.raw(`create or replace function risk_internal.feed_clock_key(account_key integer) returns integer
      language sql immutable parallel safe as 'select account_key'`),
  );
}

export function distributionMissing(tables: readonly string[]): OperatorError {
  return new OperatorError({
    code: 'NOT_DISTRIBUTED',
    happened: `${tables.length} tables are not distributed: ${tables.join(', ')}`,
    means: 'They are on the coordinator alone. Nothing was changed',
    todo: 'Run `zt-risk-sync migrate --distribute`',
  });
}
