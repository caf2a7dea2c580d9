// Makes a database ready to receive a history. It creates the tables, at the version of that history, and the mark.
// With the mark, every command refuses the database until the history is whole.
import type { Pool, PoolClient } from '../db/pool.ts';
import { refuseDistributed } from '../db/distribute/citus.ts';
import { isMark, SET_MARK } from '../db/incomplete-history.ts';
import { LOCK_TO_MIGRATE } from '../db/locks/schema-lock.ts';
import {
  knownMigrations,
  migrate,
  migrationsFolder,
  readApplied,
  type AppliedMigration,
} from '../db/migrate.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../db/transaction.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import { quotedName } from './history.ts';
import { movedTables } from './moved-tables.ts';

/** Throws HISTORY_EXISTS, BACKUP_VERSION, and what `migrate` throws. A mark of an interrupted copy stays. */
export async function markTarget(pool: Pool, migrations: readonly AppliedMigration[]): Promise<void> {
  await migrateTo(pool, migrations.length);
  await refuseDistributed(pool);
  await inTransaction(pool, DEFAULT_LIMITS, async (tx, client) => {
    // Without a lock, because the copy that set the mark may be under way and hold one.
    if (await isMarked(tx, migrations)) return;
    await client.query(LOCK_TO_MIGRATE);
    if (await isMarked(tx, migrations)) return;
    await requireEmptyTables(client, [...movedTables().map(({ name }) => name), 'risk_internal.leases']);
    await client.query(SET_MARK);
  });
}

/** Throws BACKUP_VERSION, if the tables are not those of `migrations`. */
async function isMarked(tx: Transaction, migrations: readonly AppliedMigration[]): Promise<boolean> {
  const applied = await readApplied(tx);
  const own = applied.filter((row) => !isMark(row));
  const isSame =
    own.length === migrations.length &&
    own.every(
      ({ hash, created_at }, n) => hash === migrations[n]?.hash && created_at === migrations[n].created_at,
    );
  if (!isSame) throw otherTables();
  return own.length < applied.length;
}

/** The tables of an interrupted copy were made before its mark. */
async function migrateTo(pool: Pool, level: number): Promise<void> {
  try {
    await migrate(pool, migrationsFolder(), level);
  } catch (error) {
    if (!isOperatorError(error) || error.code !== 'HISTORY_INCOMPLETE') throw error;
  }
}

/** This version must know every migration of the history. Throws BACKUP_VERSION. */
export function requireKnown(migrations: readonly AppliedMigration[], version: string): void {
  const known = knownMigrations();
  const isKnown = migrations.every(
    ({ hash, created_at }, index) => known[index]?.hash === hash && known[index].created_at === created_at,
  );
  if (isKnown) return;
  throw new OperatorError({
    code: 'BACKUP_VERSION',
    happened: `Version ${version} wrote the backup, and its tables are not those of this version or an earlier one`,
    means: 'This version cannot read it, so nothing was restored',
    todo: 'Restore it with the version that wrote it, or with a newer one. A backup from before the first release needs the checkout that wrote it',
  });
}

/** `tables` that an earlier version lacks hold nothing. Throws HISTORY_EXISTS. */
export async function requireEmptyTables(client: PoolClient, tables: readonly string[]): Promise<void> {
  for (const name of tables) {
    const there = await client.query<{ is: boolean }>('select to_regclass($1) is not null as is', [
      quotedName(name),
    ]);
    if (there.rows[0]?.is !== true) continue;
    if ((await client.query(`select from ${quotedName(name)} limit 1`)).rowCount === 0) continue;
    throw historyExists();
  }
}

export function historyExists(): OperatorError {
  return new OperatorError({
    code: 'HISTORY_EXISTS',
    happened: 'The target holds a history already',
    means: 'Two histories cannot be joined, and none is ever replaced. Nothing was written',
    todo: 'Name an empty database. To give up the history there, see docs/runbook.md, "From the laptop to a server"',
  });
}

function otherTables(): OperatorError {
  return new OperatorError({
    code: 'BACKUP_VERSION',
    happened: 'The target has tables of another version than the history',
    means: 'The rows may not fit, so nothing was written',
    todo: 'Name an empty database: the tables of the right version are made there',
  });
}
