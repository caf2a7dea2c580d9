// Reads the database without changing it. All reads see one repeatable-read snapshot, so they fit together even if a
// run publishes meanwhile. Works behind a transaction pooler.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { watchLocks } from './locks/lock-holders.ts';
import type { Pool, PoolClient } from './pool.ts';
import { begin, cancelOn, type Transaction, type TransactionLimits } from './transaction.ts';

/**
 * A statement that takes longer than `statementMs` fails with SQLSTATE 57014; 0 means no limit. One that waits longer
 * than `lockMs` for a lock fails with 55P03. `client` is for COPY. Aborting `cancel` ends the current statement.
 */
export async function readOnly<T>(
  pool: Pool,
  { statementMs, lockMs }: Pick<TransactionLimits, 'statementMs' | 'lockMs'>,
  work: (tx: Transaction, client: PoolClient) => Promise<T>,
  onConnected?: () => void,
  cancel?: AbortSignal,
): Promise<T> {
  const client = await pool.connect();
  onConnected?.();
  let broken: Error | undefined;
  let locks: ReturnType<typeof watchLocks> | undefined;
  let stopCancelling = async (): Promise<void> => undefined;
  try {
    const pid = await begin(client, 'begin isolation level repeatable read read only');
    locks = watchLocks(pool, pid, lockMs);
    if (cancel) stopCancelling = cancelOn(cancel, pool, pid);
    const tx = drizzle(client);
    await tx.execute(sql`select set_config('statement_timeout', ${String(statementMs)}, true),
      set_config('lock_timeout', ${String(lockMs)}, true)`);
    return await work(tx, client);
  } catch (error) {
    cancel?.throwIfAborted();
    throw locks?.named(error) ?? error;
  } finally {
    await stopCancelling();
    locks?.stop();
    // There is nothing to commit.
    await client.query('rollback').catch((error: Error) => {
      broken = error;
    });
    client.release(broken);
  }
}
