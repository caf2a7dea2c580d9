// Puts a whole history into an empty database: all rows and the removal of the mark in one transaction. So the database
// stays empty and refused until the history is whole, even if a process dies, and readers never see a part of it.
import { pipeline } from 'node:stream/promises';
import { sql } from 'drizzle-orm';
import { copyIn } from '../db/copy-in.ts';
import { isLockTaken } from '../db/database-errors.ts';
import { ALL_ACCOUNTS, beginEpoch, theClock } from '../db/feed-clock.ts';
import { HOLD_MARK, REMOVE_MARK } from '../db/incomplete-history.ts';
import type { Pool, PoolClient } from '../db/pool.ts';
import { feedClock } from '../db/schema.ts';
import { CommitUnknown, inTransaction, type Transaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';
import { checksumOf } from './checksum.ts';
import {
  quotedColumns,
  quotedName,
  rowCount,
  type MovedHistory,
  type HistoryHead,
  type MoveProgress,
} from './history.ts';
import { guessRowBytes } from './moved-tables.ts';
import { historyExists, markTarget, requireEmptyTables } from './prepare-target.ts';

export type WriteDeps = {
  pool: Pool;
  signal: AbortSignal;
  onProgress: MoveProgress;
  /** A seam for tests: before the rows of a table, and before the commit (null). */
  beforeStep?: (table: string | null) => Promise<void>;
};

// COPY waits for the other side, which may be slow. No limit of the server ends that wait.
const LIMITS = { lockMs: 30_000, idleMs: 600_000, statementMs: 0 };

/**
 * Throws HISTORY_EXISTS, HISTORY_DIFFERS, COMMIT_UNKNOWN, DATABASE_NEWER, the signal's reason, and what `rowsOf`
 * throws.
 */
export async function writeHistory(deps: WriteDeps, history: MovedHistory): Promise<void> {
  const { pool, signal } = deps;
  await markTarget(pool, history.head.migrations);
  try {
    await inTransaction(
      pool,
      LIMITS,
      async (tx, client) => {
        await emptyTables(client, history.head);
        await copyTables(deps, client, history);
        await history.requireWhole();
        await setCounters(tx, client, history.head);
        await compareTables(deps, client, history.head);
        await beginEpoch(tx, ALL_ACCOUNTS, 'copied', Number(history.head.clock.value));
        await client.query(REMOVE_MARK);
        await deps.beforeStep?.(null);
      },
      signal,
    );
  } catch (error) {
    throw error instanceof CommitUnknown ? commitUnknown(error) : error;
  }
  // A planner without statistics chooses bad plans until autovacuum has run.
  for (const { name } of history.head.tables) await pool.query(`analyze ${quotedName(name)}`);
}

/**
 * TRUNCATE also locks out all other sessions, and lets COPY write rows as frozen: no reader or vacuum writes them
 * again. Leases refer to accounts, so they are also named.
 */
async function emptyTables(client: PoolClient, { tables }: HistoryHead): Promise<void> {
  if (!(await holdMark(client))) throw historyExists();
  const names = [...tables.map(({ name }) => name), 'risk_internal.leases'];
  await client.query(`lock table ${names.map(quotedName).join(', ')} in access exclusive mode`);
  await requireEmptyTables(client, names);
  await client.query(`truncate ${names.map(quotedName).join(', ')}`);
}

/** False: there is no mark. Throws DATABASE_BUSY if another copy holds it. */
async function holdMark(client: PoolClient): Promise<boolean> {
  try {
    return (await client.query(HOLD_MARK)).rowCount !== 0;
  } catch (error) {
    if (!isLockTaken(error)) throw error;
    throw new OperatorError({
      code: 'DATABASE_BUSY',
      happened: 'Another copy or restore into this database is under way',
      means: 'This one wrote nothing',
      todo: 'Wait until the other one has ended. If it succeeds, the history is there, and this one is not needed',
      cause: error,
    });
  }
}

async function copyTables(
  { signal, onProgress, beforeStep }: WriteDeps,
  client: PoolClient,
  { head, rowsOf }: MovedHistory,
): Promise<void> {
  const total = rowCount(head);
  let before = 0;
  for (const table of head.tables) {
    await beforeStep?.(table.name);
    const bytesOfRow = guessRowBytes(table.name);
    let bytes = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of rowsOf(table)) {
        bytes += chunk.length;
        const rows = before + Math.min(table.rows, Math.floor(bytes / bytesOfRow));
        onProgress({ table: table.name, rows, total });
        yield chunk;
      }
    };
    const statement = `copy ${quotedName(table.name)} (${quotedColumns(table.columns)}) from stdin (format binary, freeze)`;
    await pipeline(counted, copyIn(client, statement), { signal });
    before += table.rows;
  }
}

async function setCounters(tx: Transaction, client: PoolClient, head: HistoryHead): Promise<void> {
  for (const { name, last_value, is_called } of head.sequences)
    await client.query('select setval($1::regclass, $2::bigint, $3)', [
      quotedName(name),
      last_value,
      is_called,
    ]);
  const here = await client.query<{ place: string }>('select risk_internal.history_place() as place');
  await tx
    .update(feedClock)
    .set({
      last_snapshot_id: Number(head.clock.value),
      epoch: head.clock.epoch,
      place: here.rows[0]?.place ?? null,
      // A copy of this history exists: the place that it was copied from.
      copied_at: sql`${head.created_at}::timestamptz`,
    })
    .where(theClock(ALL_ACCOUNTS));
}

/** Throws HISTORY_DIFFERS. */
async function compareTables(
  { onProgress }: WriteDeps,
  client: PoolClient,
  head: HistoryHead,
): Promise<void> {
  const total = rowCount(head);
  for (const table of head.tables) {
    onProgress({ table: null, rows: total, total });
    const { rows, checksum } = await checksumOf(client, table);
    if (rows === table.rows && checksum === table.checksum) continue;
    throw new OperatorError({
      code: 'HISTORY_DIFFERS',
      happened: `After the copy, ${table.name} differs from its source (${rows} rows here, ${table.rows} there)`,
      means: 'Nothing of the copy was kept, and the source is as it was',
      todo: 'Run the command again. If it happens again, report it',
    });
  }
}

function commitUnknown(cause: Error): OperatorError {
  return new OperatorError({
    code: 'COMMIT_UNKNOWN',
    happened: 'The connection broke while the copy was being committed',
    means: 'The target holds the whole history, or none of it',
    todo: 'Run the same command again. HISTORY_EXISTS then means that the copy is there and whole',
    cause,
  });
}
