// Checks the database as a whole: whether it can be reached and how fast, its settings, the privileges of the role, the
// migrations.
import type { Config } from '../../config.ts';
import { openDatabase, type Database, type Io } from '../../context.ts';
import { databasePlace } from '../../database-url.ts';
import { databaseError } from '../../db/database-errors.ts';
import { checkMigrations } from '../../db/migrate.ts';
import { describeHolders, endHolders, holdersOf } from '../../db/locks/lock-holders.ts';
import type { Pool } from '../../db/pool.ts';
import { readOnly } from '../../db/read-only.ts';
import type { Transaction } from '../../db/transaction.ts';
import { isOperatorError, type OperatorError } from '../../errors.ts';
import { rootCause, type Logger } from '../../logger.ts';
import { lockWaits } from '../../queries/health/lock-waits.ts';
import { rolePrivileges } from '../../queries/health/role-privileges.ts';
import { databaseClock, serverFacts, type ServerFacts } from '../../queries/health/server-facts.ts';
import { failedAs, failedWith, ok, skipped, warning, type Check, type Line } from './lines.ts';
import { judgeLocks, judgePrivileges, judgeServer } from './server.ts';
import { plural, printable } from '../../words.ts';

/** Long enough for a million periods (measured: under 2 s), and short enough to wait for. */
const LIMITS = { statementMs: 15_000, lockMs: 3_000 };

/**
 * Runs one check in a read-only snapshot. A check becomes a line even if the role may not read a table (`reads` names
 * it) or if it takes too long. Throws only for defects of this program.
 */
export async function checkInDatabase(
  pool: Pool,
  check: Check,
  reads: string,
  work: (tx: Transaction) => Promise<Line>,
): Promise<Line> {
  try {
    return await readOnly(pool, LIMITS, work);
  } catch (error) {
    const sqlstate = (rootCause(error) as { code?: unknown } | null)?.code;
    if (sqlstate === '42501') return skipped(check, `the database role may not read ${reads}`);
    if (sqlstate === '42P01' || sqlstate === '42703')
      return skipped(check, 'the schema is not the one of this version');
    if (sqlstate === '57014' || sqlstate === '55P03') {
      const holders = holdersOf(error);
      if (holders.length > 0)
        return warning(
          check,
          `not known: a lock is held by ${describeHolders(holders)}`,
          endHolders(holders),
        );
      const why =
        sqlstate === '57014'
          ? `it took longer than ${LIMITS.statementMs / 1000} seconds`
          : 'another session holds a lock';
      return warning(check, `not known: ${why}`, 'Try again when the database is less busy');
    }
    return failedWith(check, explained(error));
  }
}

function explained(error: unknown): OperatorError {
  const known = isOperatorError(error) ? error : databaseError(error);
  if (known === undefined) throw error;
  return known;
}

export type Reached = {
  database: Database | null;
  line: Line;
  facts: ServerFacts | null;
  clockMs: number | null;
};

/**
 * Connects, starts the embedded server if needed, and checks the server. `clockMs`: how far its clock is ahead of this
 * host's.
 */
export async function reachDatabase(io: Io, config: Config, logger: Logger): Promise<Reached> {
  let database: Database | null = null;
  try {
    database = await openDatabase(io, config, logger, 'leave');
    const { pool } = database;
    const seen = await readOnly(pool, LIMITS, async (tx) => {
      const facts = await serverFacts(tx);
      const times: number[] = [];
      let clockMs = 0;
      for (let turn = 0; turn < 3; turn++) {
        const began = Date.now();
        const start = performance.now();
        const clock = await databaseClock(tx);
        const tookMs = performance.now() - start;
        times.push(tookMs);
        clockMs = clock - (began + tookMs / 2);
      }
      return { facts, clockMs, latencyMs: times.toSorted((a, b) => a - b)[1]! };
    });
    return { database, line: judgeServer(placeOf(config), seen.facts.version, seen.latencyMs), ...seen };
  } catch (error) {
    await database?.close();
    return { database: null, line: failedWith('database', explained(error)), facts: null, clockMs: null };
  }
}

function placeOf({ databaseUrl }: Config): string {
  if (databaseUrl === null) return 'embedded';
  return printable(databasePlace(databaseUrl));
}

export async function checkPrivileges(pool: Pool, isBehind: boolean): Promise<Line> {
  return checkInDatabase(pool, 'privileges', 'pg_class', async (tx) =>
    judgePrivileges(await rolePrivileges(tx), isBehind),
  );
}

export async function checkLocks(pool: Pool): Promise<Line> {
  return checkInDatabase(pool, 'locks', 'pg_locks', async (tx) => judgeLocks(await lockWaits(tx)));
}

/** `isUsable`: the tables are those of this version. */
export async function lookAtMigrations(
  pool: Pool,
): Promise<{ line: Line; isBehind: boolean; isUsable: boolean }> {
  let isBehind = false;
  let isUsable = false;
  try {
    const { applied, pending } = await checkMigrations(pool);
    isBehind = pending > 0;
    isUsable = !isBehind;
    if (!isBehind) return { line: ok('migrations', `up to date (${applied})`), isBehind, isUsable };
    const found =
      applied === 0
        ? 'the database was never migrated'
        : `${plural(pending, 'migration')} behind this version`;
    const line = failedAs('migrations', 'DATABASE_BEHIND', found, MIGRATE);
    return { line, isBehind, isUsable };
  } catch (error) {
    const sqlstate = (rootCause(error) as { code?: unknown } | null)?.code;
    // The history may still be readable.
    if (sqlstate === '42501') {
      const line = skipped('migrations', 'the database role may not read risk_internal.migrations');
      return { line, isBehind, isUsable: true };
    }
    return { line: failedWith('migrations', explained(error)), isBehind, isUsable };
  }
}

const MIGRATE = 'Run `zt-risk-sync migrate` (or `zt-risk-sync sync`, which migrates automatically)';
