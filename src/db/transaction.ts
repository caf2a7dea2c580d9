// One database transaction with its limits. It has three possible ends: committed, rolled back, or unknown because the
// reply to COMMIT was lost.
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { isConnectionLoss } from './database-errors.ts';
import { watchLocks, type LockWatch } from './locks/lock-holders.ts';
import { PINNED_SETTINGS, type Pool, type PoolClient } from './pool.ts';
import { REACH_WORKERS, setLocal } from './sql/set-local.ts';

/** `$client`: for what Drizzle cannot express, such as how long this program waits for one answer. */
export type Transaction = NodePgDatabase & {
  $client: { query(query: { text: string; query_timeout?: number }): Promise<unknown> };
};

export type TransactionLimits = {
  /** Longest wait for one lock, in milliseconds. */
  lockMs: number;
  /**
   * Longest silence of this client inside the transaction, in milliseconds. It frees the locks of a stopped process.
   */
  idleMs: number;
  /** Longest single statement, in milliseconds. */
  statementMs: number;
};

export const DEFAULT_LIMITS: TransactionLimits = { lockMs: 10_000, idleMs: 15_000, statementMs: 25_000 };

/** COMMIT was sent and no reply arrived. Only the database knows whether it happened. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown';
}

/**
 * Runs `work` in one READ COMMITTED transaction. `client` is for COPY. Aborting `cancel` ends the current statement,
 * and with it the transaction. Throws CommitUnknown, cancel.reason, or what `work` threw.
 */
export async function inTransaction<T>(
  pool: Pool,
  limits: TransactionLimits,
  work: (tx: Transaction, client: PoolClient, locks: Pick<LockWatch, 'onWait'>) => Promise<T>,
  cancel?: AbortSignal,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  let locks: LockWatch | undefined;
  let stopCancelling: ReturnType<typeof cancelOn> = async () => undefined;
  try {
    const pid = await begin(client, `begin isolation level read committed; ${limitsOf(limits)}`);
    locks = watchLocks(pool, pid, limits.lockMs);
    const tx = drizzle(client);
    if (cancel) stopCancelling = cancelOn(cancel, pool, pid);
    const silence = cancel && silentAfter(cancel);
    const doing = work(tx, client, locks);
    const result = await (silence ? Promise.race([doing, silence.noticed]).finally(silence.end) : doing);
    await stopCancelling();
    cancel?.throwIfAborted();
    let ended: string;
    try {
      ended = (await client.query('commit')).command;
    } catch (error) {
      broken = error as Error;
      // An SQLSTATE means that the server answered, and rolled back. Classes 57 and 08 mean that the connection is
      // being closed. With 58 and XX, a coordinator reports that it lost a node during the commit.
      const sqlstate = (error as { code?: string }).code ?? '';
      if (/^[0-9A-Z]{5}$/.test(sqlstate) && !/^(57|08|58|XX)/.test(sqlstate)) throw error;
      throw new CommitUnknown('no reply to COMMIT', { cause: error });
    }
    // If a statement failed and `work` did not throw, PostgreSQL answers ROLLBACK without an error.
    if (ended !== 'COMMIT')
      throw new Error('rolled back at COMMIT: the error of a failed statement was ignored');
    return result;
  } catch (error) {
    await stopCancelling(error instanceof Silence);
    // On a lost or silent connection, ROLLBACK would never get an answer.
    if (error instanceof Silence || isConnectionLoss(error)) broken ??= error as Error;
    if (broken === undefined) {
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
    }
    if (cancel?.aborted === true && !(error instanceof CommitUnknown)) throw cancel.reason;
    throw locks?.named(error) ?? error;
  } finally {
    locks?.stop();
    // A connection in an unknown state is closed, never reused.
    client.release(broken);
  }
}

/**
 * Runs `statements` and pins the settings in one round trip, and returns the pid of the session. Only the server knows
 * the right pid: behind a pooler, the driver has another one.
 */
export async function begin(client: PoolClient, statements: string): Promise<number> {
  // For several statements, pg returns several results. Its types do not know this.
  const results: unknown = await client.query(
    `${statements}; ${PINNED_SETTINGS}; select pg_backend_pid() as pid`,
  );
  return (results as { rows: { pid: number }[] }[]).at(-1)!.rows[0]!.pid;
}

const CANCEL_AGAIN_MS = 200;
// A reachable server ends a cancelled statement at once.
const SILENT_MS = 10_000;

class Silence extends Error {}

/**
 * `noticed` rejects if the transaction goes on for long after it was cancelled. Then the path to the server is dead,
 * and TCP may need hours to notice.
 */
function silentAfter(cancel: AbortSignal): { noticed: Promise<never>; end: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => reject(new Silence('no answer after a cancel')), SILENT_MS);
  };
  if (cancel.aborted) begin();
  else cancel.addEventListener('abort', begin, { once: true });
  return {
    noticed: promise,
    end() {
      clearTimeout(timer);
      cancel.removeEventListener('abort', begin);
    },
  };
}

/**
 * Asks the server to cancel the current statement, and repeats the request: between two statements there is nothing to
 * cancel.
 */
export function cancelOn(
  cancel: AbortSignal,
  pool: Pool,
  pid: number,
): (isSilent?: boolean) => Promise<void> {
  let asking: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const ask = () => {
    asking = pool.query('select pg_cancel_backend($1)', [pid]).catch(() => undefined);
  };
  const askAgain = () => {
    ask();
    timer = setInterval(ask, CANCEL_AGAIN_MS);
  };
  if (cancel.aborted) askAgain();
  else cancel.addEventListener('abort', askAgain, { once: true });
  // Waits for the last request, which must not cancel the next user of the connection. A silent connection has no next
  // user.
  return async (isSilent = false) => {
    clearInterval(timer);
    cancel.removeEventListener('abort', askAgain);
    if (!isSilent) await asking;
  };
}

/** As statements, which hold until the transaction ends. */
export function limitsOf({ lockMs, idleMs, statementMs }: TransactionLimits): string {
  return setLocal(
    REACH_WORKERS,
    `lock_timeout = ${Math.round(lockMs)}`,
    `idle_in_transaction_session_timeout = ${Math.round(idleMs)}`,
    `statement_timeout = ${Math.round(statementMs)}`,
  );
}
