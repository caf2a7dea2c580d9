// A history as a database holds it: everything in one snapshot, while syncs continue. Changes nothing.
import { sql } from 'drizzle-orm';
import { copyOut } from '../db/copy-out.ts';
import { refuseDistributed } from '../db/distribute/citus.ts';
import { on, type Db } from '../db/handle.ts';
import { readApplied } from '../db/migrate.ts';
import type { Pool, PoolClient } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import { OperatorError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { checksumOf } from './checksum.ts';
import {
  quotedColumns,
  quotedName,
  type MovedHistory,
  type HistoryHead,
  type MoveProgress,
  type TableHead,
} from './history.ts';
import { movedTables } from './moved-tables.ts';

const LOCK_MS = 60_000;

export type ReadDeps = { pool: Pool; signal: AbortSignal; onProgress: MoveProgress };

/**
 * Quick, while `readHistory` reads every row first. So call this before anything is created for the history. Throws
 * HISTORY_EMPTY, HISTORY_DISTRIBUTED.
 */
export async function requireMovable(db: Db): Promise<void> {
  await refuseDistributed(db);
  const { rows } = await on(db).execute(sql`select from risk.accounts limit 1`);
  if (rows.length === 0) throw historyEmpty();
}

/**
 * The schema must be the one of this version. Throws HISTORY_EMPTY, HISTORY_DISTRIBUTED, the signal's reason, and what
 * `work` throws. If an error of this database interrupts `rowsOf`, that error is thrown, not the one that `work` makes
 * of it.
 */
export async function readHistory<T>(
  { pool, signal, onProgress }: ReadDeps,
  work: (history: MovedHistory) => Promise<T>,
): Promise<T> {
  let failure: { error: unknown } | undefined;
  const read = async (client: PoolClient, head: HistoryHead) => {
    const rowsOf = (table: TableHead) => copiedRows(client, table, (error) => (failure ??= { error }));
    try {
      return await work({ head, rowsOf, requireWhole: async () => undefined });
    } catch (error) {
      throw failure?.error ?? error;
    }
  };
  return readOnly(
    pool,
    { statementMs: 0, lockMs: LOCK_MS },
    async (tx, client) => {
      const migrations = await readApplied(tx);
      await requireMovable(tx);
      const head = await readHead(client, migrations, onProgress);
      return read(client, head);
    },
    { cancel: signal },
  );
}

async function readHead(
  client: PoolClient,
  migrations: HistoryHead['migrations'],
  onProgress: MoveProgress,
): Promise<HistoryHead> {
  const clock = await client.query<{ value: string; epoch: string; at: Date }>(
    'select last_snapshot_id::text as value, epoch, now() as at from risk_internal.feed_clock where account_key = risk_internal.feed_clock_key(0)',
  );
  const [row] = clock.rows;
  if (row === undefined) throw new Error('the feed clock has no row');
  const tables: TableHead[] = [];
  for (const table of movedTables()) {
    onProgress({ table: null, rows: 0, total: 0 });
    tables.push({ ...table, columns: [...table.columns], ...(await checksumOf(client, table)) });
  }
  return {
    version: VERSION,
    created_at: row.at.toISOString(),
    migrations,
    clock: { value: row.value, epoch: row.epoch },
    sequences: await readSequences(client),
    tables,
  };
}

/** They belong to no snapshot. They are read after the rows were counted, so they are never behind the rows. */
async function readSequences(client: PoolClient): Promise<HistoryHead['sequences']> {
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || sequencename as name from pg_sequences
      where schemaname in ('risk', 'risk_internal') and sequencename <> 'migrations_id_seq' order by 1`,
  );
  const sequences: HistoryHead['sequences'] = [];
  for (const { name } of rows) {
    const state = await client.query<{ last_value: string; is_called: boolean }>(
      `select last_value::text, is_called from ${quotedName(name)}`,
    );
    sequences.push({ name, ...state.rows[0]! });
  }
  return sequences;
}

async function* copiedRows(
  client: PoolClient,
  { name, columns }: TableHead,
  onFailure: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  const copy = copyOut(
    client,
    `copy ${quotedName(name)} (${quotedColumns(columns)}) to stdout (format binary)`,
  );
  try {
    for await (const chunk of copy.stream) yield chunk as Buffer;
    // The server's final answer to the statement arrives after the bytes.
    await client.query('select');
  } catch (error) {
    onFailure(error);
    throw error;
  } finally {
    copy.stream.destroy();
    copy.close();
  }
}

function historyEmpty(): OperatorError {
  return new OperatorError({
    code: 'HISTORY_EMPTY',
    happened: 'This database holds no history: it has no account',
    means: 'There is nothing to copy, and nothing was written',
    todo: 'Name the database with the history in DATABASE_URL. Without it, the embedded Postgres is read',
  });
}
