// One database transaction with its limits, told apart by how it ended: committed, rolled back, or unknown because
// the reply to COMMIT was lost.
import { sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { isConnectionLoss } from './database-errors.ts';
import type { Pool, PoolClient } from './pool.ts';

export type Transaction = NodePgDatabase;

export type TransactionLimits = {
  /** Longest wait for one lock, in milliseconds. */
  lockMs: number;
  /** Longest silence of this client inside the transaction, in milliseconds: a stopped process lets go of its locks. */
  idleMs: number;
  /** Longest single statement, in milliseconds. */
  statementMs: number;
};

export const DEFAULT_LIMITS: TransactionLimits = { lockMs: 10_000, idleMs: 15_000, statementMs: 25_000 };

/** COMMIT was sent and no reply came back. Whether it happened must be read from the database. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown';
}

/**
 * Runs `work` in one READ COMMITTED transaction. `client` is there for COPY. Aborting `cancel` ends the statement under way, and with it
 * the transaction. Throws CommitUnknown, cancel.reason, or what `work` threw.
 */
export async function inTransaction<T>(
  pool: Pool,
  limits: TransactionLimits,
  work: (tx: Transaction, client: PoolClient) => Promise<T>,
  cancel?: AbortSignal,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  let stopCancelling = async (): Promise<void> => undefined;
  try {
    // In one question: a database may be 10 ms away, and every unit of work begins here.
    await client.query(`begin isolation level read committed; ${limitsSql(limits)}`);
    const tx = drizzle(client);
    if (cancel) stopCancelling = await cancelOn(cancel, pool, tx);
    const result = await work(tx, client);
    await stopCancelling();
    cancel?.throwIfAborted();
    let ended: string;
    try {
      ended = (await client.query('commit')).command;
    } catch (error) {
      broken = error as Error;
      // With an SQLSTATE the server answered: it rolled back. Class 57 and 08 speak of a connection going away.
      const sqlstate = (error as { code?: string }).code ?? '';
      if (/^[0-9A-Z]{5}$/.test(sqlstate) && !/^(57|08)/.test(sqlstate)) throw error;
      throw new CommitUnknown('no reply to COMMIT', { cause: error });
    }
    // Postgres answers ROLLBACK, and no error, when a statement had failed and `work` did not say so.
    if (ended !== 'COMMIT') throw new Error('rolled back at COMMIT: a failed statement was swallowed');
    return result;
  } catch (error) {
    await stopCancelling();
    // Over a connection that is gone or silent, the answer to a ROLLBACK would be waited for in vain.
    if (isConnectionLoss(error)) broken ??= error as Error;
    if (broken === undefined) {
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
    }
    if (cancel?.aborted === true && !(error instanceof CommitUnknown)) throw cancel.reason;
    throw error;
  } finally {
    // A connection in doubt is closed, never reused.
    client.release(broken);
  }
}

const CANCEL_AGAIN_MS = 200;

/** Asks the server to end what it is doing, again and again: between two statements there is nothing to end. */
async function cancelOn(cancel: AbortSignal, pool: Pool, tx: Transaction): Promise<() => Promise<void>> {
  // Asked of the server: behind a pooler the driver knows another number.
  const { rows } = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
  let asking: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const ask = () => {
    asking = pool.query('select pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  };
  const begin = () => {
    ask();
    timer = setInterval(ask, CANCEL_AGAIN_MS);
  };
  if (cancel.aborted) begin();
  else cancel.addEventListener('abort', begin, { once: true });
  // Waits for the last question: it must not meet whoever uses the connection next.
  return async () => {
    clearInterval(timer);
    cancel.removeEventListener('abort', begin);
    await asking;
  };
}

/** Changes the limits for the rest of the transaction. */
export async function setLimits(tx: Transaction, limits: TransactionLimits): Promise<void> {
  await tx.execute(sql.raw(limitsSql(limits)));
}

/** SET takes no parameters; numbers need no quoting. */
function limitsSql({ lockMs, idleMs, statementMs }: TransactionLimits): string {
  return `set local lock_timeout = ${lockMs}; set local idle_in_transaction_session_timeout = ${idleMs}; set local statement_timeout = ${statementMs}`;
}
