// Applies the migrations of this version, all in one transaction under a lock on their table. It uses only Drizzle's
// reader of migration files. The rest of Drizzle's migrator takes no lock, compares no hashes, silently skips a
// migration with an older date, and does not notice a newer database.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { readMigrationFiles, type MigrationMeta } from 'drizzle-orm/migrator';
import { OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import { isDuplicateObject } from './database-errors.ts';
import { historyIncomplete, isMark } from './incomplete-history.ts';
import type { Pool, PoolClient } from './pool.ts';
import { readReleased, type ReleasedMigration } from './released-migrations.ts';
import { isDistributed, refuseWorker } from './distribute/citus.ts';
import { distributeFunctions } from './distribute/distribute-functions.ts';
import { distributeMissing, SEQUENTIAL } from './distribute/distribute.ts';
import { renewGrants } from './roles.ts';
import { LOCK_TO_MIGRATE, LOCK_TO_WRITE } from './locks/schema-lock.ts';
import { inTransaction, type Transaction } from './transaction.ts';
import { hasTables, unrecordedTables } from './unrecorded-tables.ts';

// A table or a schema is missing. For a schema, SELECT and LOCK TABLE give different codes.
const UNDEFINED = ['42P01', '3F000'];

/** The locale C fits every encoding. Another locale of the server may not fit UTF8. */
export const UTF8_DATABASE =
  'Make a database with the encoding UTF8, such as by `createdb --template=template0 --encoding=UTF8 --locale=C risk`, and name it in DATABASE_URL';

export type AppliedMigration = { hash: string; created_at: number };
type Known = { migrations: readonly MigrationMeta[]; released: readonly ReleasedMigration[] };
export type MigrationState = { applied: number; pending: number };

// A migration may rewrite tables, and twenty processes may wait for it.
const LIMITS = { lockMs: 300_000, idleMs: 60_000, statementMs: 600_000 };
// While it waits for a reader, all other sessions wait for the migration.
const READERS_MS = 30_000;
const MAKES_TABLE = /^(\s*--.*\n)*\s*create\s+(unlogged\s+)?table\b/i;
// Each attempt that fails in this way has waited for another process that made the table.
const ATTEMPTS = 5;

/** This file is in src/db when it runs from source, and in dist when it is bundled. */
export function migrationsFolder(): string {
  const candidates = ['../migrations', '../../migrations'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = candidates.find((path) => existsSync(`${path}/meta/_journal.json`));
  if (found === undefined) throw new Error(`no migrations at ${candidates.join(' or ')}`);
  return found;
}

/**
 * Counts the applied and the pending migrations. Throws if the database is newer than this program, was changed, or
 * holds tables that no migration has made.
 * Takes no lock and writes nothing.
 */
export async function checkMigrations(
  database: Pool | Transaction,
  folder = migrationsFolder(),
): Promise<MigrationState> {
  const known = readKnown(folder);
  const read = () => readApplied('execute' in database ? database : drizzle(database));
  let applied = await read();
  // After this query, a transaction may have failed.
  if (applied.length === 0 && !('execute' in database) && (await hasTables(database))) {
    // Read again: another process may have migrated the database between the two queries.
    applied = await read();
    if (applied.length === 0) {
      await refuseWorker(database);
      throw unrecordedTables();
    }
  }
  return { applied: applied.length, pending: pendingOf(known.migrations, applied, known.released).length };
}

/**
 * Brings the database up to date. Several processes may do so at the same time. Returns how many migrations this call
 * applied. Throws DATABASE_ENCODING, also for a current schema: a dump may have been restored into another database.
 * `upTo`: the number of migrations after which it stops, for a backup of an earlier version.
 */
export async function migrate(
  pool: Pool,
  folder = migrationsFolder(),
  upTo = Infinity,
): Promise<{ applied: number }> {
  await requireUtf8(pool);
  if ((await checkMigrations(pool, folder)).pending === 0) return { applied: 0 };
  for (let attempt = 1; ; attempt++) {
    let isAlone = false;
    try {
      return await inTransaction(pool, LIMITS, async (tx, client) => {
        await takeTable(tx);
        isAlone = true;
        return applyPending(tx, client, readKnown(folder), upTo);
      });
    } catch (error) {
      if (isAlone || attempt === ATTEMPTS || !isDuplicateObject(error)) throw error;
    }
  }
}

/**
 * An empty database has nothing to lock. There, the name of the schema is the lock: a second process that creates it
 * waits until the first has committed, and then fails with a duplicate. If the first one rolled back, the second goes
 * on.
 */
async function takeTable(tx: Transaction): Promise<void> {
  await tx.execute(sql`create schema if not exists risk_internal`);
  await tx.execute(
    sql`create table if not exists risk_internal.migrations (id serial primary key, hash text not null, created_at bigint not null)`,
  );
  await tx.execute(sql.raw(LOCK_TO_MIGRATE));
}

async function applyPending(
  tx: Transaction,
  client: PoolClient,
  known: Known,
  upTo: number,
): Promise<{ applied: number }> {
  const applied = await readApplied(tx);
  const pending = pendingOf(known.migrations, applied, known.released).slice(
    0,
    Math.max(0, upTo - applied.length),
  );
  await tx.execute(sql.raw(`set local lock_timeout = ${READERS_MS}`));
  const spread = applied.length > 0 && (await isDistributed(tx));
  if (spread) await tx.execute(sql.raw(SEQUENTIAL));
  for (const migration of pending) {
    // Without parameters, so that one file may hold any statement.
    for (const statement of migration.sql) {
      await client.query(statement);
      // A foreign key of a new table is refused until that table is distributed as well.
      if (spread && MAKES_TABLE.test(statement)) await distributeMissing(tx);
    }
    await tx.execute(
      sql`insert into risk_internal.migrations (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`,
    );
  }
  if (spread && pending.length > 0) await distributeFunctions(tx);
  if (pending.length > 0) await renewGrants(tx);
  return { applied: pending.length };
}

async function requireUtf8(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ server_encoding: string }>('show server_encoding');
  const encoding = rows[0]?.server_encoding ?? '';
  if (encoding === 'UTF8') return;
  throw new OperatorError({
    code: 'DATABASE_ENCODING',
    happened: `The database has the encoding ${encoding}`,
    means: 'It cannot hold every name, so nothing was written',
    todo: UTF8_DATABASE,
  });
}

/** The migrations that this version applies, in that order. */
export function knownMigrations(folder = migrationsFolder()): readonly AppliedMigration[] {
  return readKnown(folder).migrations.map(({ hash, folderMillis }) => ({ hash, created_at: folderMillis }));
}

/** For commands that only read: they never migrate. Throws DATABASE_BEHIND (exit 78). */
export async function requireMigrated(pool: Pool): Promise<void> {
  const state = await checkMigrations(pool);
  if (state.pending > 0) throw databaseBehind(state);
}

const read = new Map<string, Known>();

/**
 * Read from disk once: the files do not change while this program runs, and each unit of work that writes needs them.
 */
function readKnown(folder: string): Known {
  const known = read.get(folder) ?? {
    migrations: readMigrationFiles({ migrationsFolder: folder }),
    released: readReleased(folder),
  };
  read.set(folder, known);
  return known;
}

/**
 * For a transaction that writes. Keeps migrations waiting until it ends, and checks that no newer version has migrated
 * the database. Without this, an older release that still runs beside a newer one would write to a schema that it does
 * not know. Throws DATABASE_NEWER, DATABASE_BEHIND or MIGRATION_CHANGED.
 */
export async function holdSchema(tx: Transaction): Promise<void> {
  const known = readKnown(migrationsFolder());
  // Taken before any other lock, as in the migrator. In another order, the two could deadlock.
  const applied = await readApplied(tx, LOCK_TO_WRITE);
  const pending = pendingOf(known.migrations, applied, known.released).length;
  if (pending > 0) throw databaseBehind({ applied: applied.length, pending });
}

export function databaseBehind({ applied, pending }: MigrationState): OperatorError {
  return new OperatorError({
    code: 'DATABASE_BEHIND',
    happened:
      applied === 0
        ? 'The database holds no history yet: it was never migrated'
        : `The database is ${pending} migration${pending === 1 ? '' : 's'} behind this version`,
    means: 'Nothing was read or changed',
    todo: 'Run `zt-risk-sync migrate` (or `zt-risk-sync sync`, which migrates automatically)',
  });
}

/**
 * The applied migrations. If the table is missing, the list is empty and the transaction has failed. `first` is a
 * statement that runs before the query, in the same round trip. The query sees what was committed when `first` ended.
 */
export async function readApplied(tx: Transaction, first?: string): Promise<AppliedMigration[]> {
  const question = 'select hash, created_at from risk_internal.migrations order by id';
  try {
    const text = first === undefined ? question : `${first}; ${question}`;
    // For several statements, pg returns several results. The types of Drizzle do not know this.
    const results = [await tx.execute<{ hash: string; created_at: string }>(sql.raw(text))].flat();
    return (results.at(-1)?.rows ?? []).map((row) => ({
      hash: row.hash,
      created_at: Number(row.created_at),
    }));
  } catch (error) {
    if (UNDEFINED.includes((rootCause(error) as { code?: string } | null)?.code ?? '')) return [];
    throw error;
  }
}

/**
 * Pure: the migrations that are still to be applied. The applied ones must be the first known ones, in the same order.
 */
export function pendingOf(
  known: readonly MigrationMeta[],
  applied: readonly AppliedMigration[],
  released: readonly ReleasedMigration[],
): MigrationMeta[] {
  if (applied.some(isMark)) throw historyIncomplete();
  for (const [index, row] of applied.entries()) {
    const migration = known[index];
    if (migration === undefined) throw databaseNewer(applied.length - known.length);
    if (migration.folderMillis !== row.created_at || migration.hash !== row.hash) {
      const record = released[index];
      const isWhole =
        record === undefined || (record.sha256 === migration.hash && record.when === migration.folderMillis);
      const wasReleased = released.some(({ sha256, when }) => sha256 === row.hash && when === row.created_at);
      throw isWhole && !wasReleased ? databaseUnreleased() : migrationChanged(index);
    }
  }
  return known.slice(applied.length);
}

/** The applied migration is in no release, and the files of this version are as they were released. */
function databaseUnreleased(): OperatorError {
  return new OperatorError({
    code: 'MIGRATION_CHANGED',
    happened: 'An unreleased version made the database, such as a checkout from before the first release',
    means: 'No release can bring its schema up to date, so nothing was read or written',
    todo: 'Sync into a new database, or continue with the checkout that made this one',
  });
}

function migrationChanged(index: number): OperatorError {
  return new OperatorError({
    code: 'MIGRATION_CHANGED',
    happened: `Migration ${index + 1} of this version is not the one that was applied to the database`,
    means: 'The schema may differ from what this version expects, so nothing was written',
    todo: 'Run the release that migrated this database, or restore the original migration file',
  });
}

function databaseNewer(by: number): OperatorError {
  return new OperatorError({
    code: 'DATABASE_NEWER',
    happened: `The database is ${by} migration${by === 1 ? '' : 's'} ahead of this version`,
    means:
      'A newer release has migrated it. This version could damage what it does not know, so nothing was written',
    todo: 'Run the newer release everywhere',
  });
}
