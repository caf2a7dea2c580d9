// Whether this process can work: the database answers, and its schema is the one of this version. The age of the data
// is reported but decides nothing: taking replicas down does not make the data newer.
import { checkMigrations, databaseBehind } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import type { Transaction } from '../db/transaction.ts';
import { isOperatorError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { snapshotAges, type SnapshotAges } from '../queries/accounts/snapshot-ages.ts';
import { askDatabase, DATABASE_WAIT_MS, isSlow } from './ask-database.ts';

type Failed = { status: 'failed'; code: ErrorCode; message: string };
/** The database can be reached, but does not answer in time. */
type Slow = { status: 'slow'; code: ErrorCode; message: string };

export type Readiness = {
  status: 'ready' | 'not_ready';
  checks: {
    database: { status: 'ok' } | Slow | Failed;
    migrations: ({ status: 'ok' | 'unknown' } | Failed) & { applied?: number; pending?: number };
  };
  /** Null if it could not be read. */
  freshness: SnapshotAges | null;
};

export type ReadinessDeps = {
  pool: Pool;
  staleAfterMs: number;
  logger: Pick<Logger, 'warn'>;
  databaseWaitMs?: number;
};

/** The database answers, but its tables are not for this version. */
const OF_SCHEMA: readonly ErrorCode[] = ['DATABASE_NEWER', 'MIGRATION_CHANGED', 'HISTORY_INCOMPLETE'];

export async function readiness(deps: ReadinessDeps): Promise<Readiness> {
  try {
    const { migrations, fresh } = await askDatabase(
      deps.pool,
      deps.databaseWaitMs ?? DATABASE_WAIT_MS,
      (tx) => look(tx, deps.staleAfterMs),
    );
    const status = migrations.status === 'ok' ? 'ready' : 'not_ready';
    return { status, checks: { database: { status: 'ok' }, migrations }, freshness: fresh };
  } catch (error) {
    if (!isOperatorError(error)) deps.logger.warn({ err: error }, 'the readiness check failed');
    const isSchema = isOperatorError(error) && OF_SCHEMA.includes(error.code);
    const checks: Readiness['checks'] = isSchema
      ? { database: { status: 'ok' }, migrations: failed(error) }
      : {
          database: { ...failed(error), status: isSlow(error) ? 'slow' : 'failed' },
          migrations: { status: 'unknown' },
        };
    return { status: 'not_ready', checks, freshness: null };
  }
}

async function look(tx: Transaction, staleAfterMs: number) {
  const state = await checkMigrations(tx);
  const migrations: Readiness['checks']['migrations'] =
    state.pending === 0 ? { status: 'ok', ...state } : { ...failed(databaseBehind(state)), ...state };
  return { migrations, fresh: state.pending === 0 ? await snapshotAges(tx, staleAfterMs) : null };
}

function failed(error: unknown): Failed {
  return isOperatorError(error)
    ? { status: 'failed', code: error.code, message: error.happened }
    : { status: 'failed', code: 'UNEXPECTED', message: 'An unexpected error occurred' };
}
