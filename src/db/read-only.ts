// Reads the database without changing it. All reads see one repeatable-read snapshot, so they are consistent even if a
// run publishes between them. Works behind a transaction pooler.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { watchLocks } from './locks/lock-holders.ts';
import type { Pool, PoolClient } from './pool.ts';
import { setLocal } from './sql/set-local.ts';
import { begin, cancelOn, type Transaction, type TransactionLimits } from './transaction.ts';

/** Otherwise a statement goes on after its client has gone. Operating systems other than these refuse the setting. */
const NOTICE_A_LOST_CLIENT = sql`case when version() ~* 'linux|darwin|freebsd'
  then set_config('client_connection_check_interval', '500', true) end`;

/**
 * A statement that takes longer than `statementMs` fails with SQLSTATE 57014; 0 means no limit. A statement that waits
 * longer than `lockMs` for a lock fails with 55P03. `client` is for COPY. Aborting `cancel` ends the current statement,
 * over another connection of the pool. Aborting `cut` drops the connection. It is for a pool that may be exhausted: the
 * server ends the running statement within half a second.
 */
export async function readOnly<T>(
  pool: Pool,
  { statementMs, lockMs }: Pick<TransactionLimits, 'statementMs' | 'lockMs'>,
  work: (tx: Transaction, client: PoolClient) => Promise<T>,
  { onConnected, cancel, cut }: { onConnected?: () => void; cancel?: AbortSignal; cut?: AbortSignal } = {},
): Promise<T> {
  const client = await pool.connect();
  onConnected?.();
  let broken: Error | undefined;
  // If a statement is under way, the driver closes the socket.
  const drop = () => void client.end().catch(() => undefined);
  cut?.addEventListener('abort', drop, { once: true });
  let locks: ReturnType<typeof watchLocks> | undefined;
  let stopCancelling = async (): Promise<void> => undefined;
  try {
    cut?.throwIfAborted();
    const pid = await begin(client, 'begin isolation level repeatable read read only');
    locks = watchLocks(pool, pid, lockMs);
    if (cancel) stopCancelling = cancelOn(cancel, pool, pid);
    const tx = drizzle(client);
    await client.query(
      setLocal(`statement_timeout = ${Math.round(statementMs)}`, `lock_timeout = ${Math.round(lockMs)}`),
    );
    if (cut) await tx.execute(sql`select ${NOTICE_A_LOST_CLIENT}`);
    return await work(tx, client);
  } catch (error) {
    cancel?.throwIfAborted();
    throw locks?.named(error) ?? error;
  } finally {
    await stopCancelling();
    locks?.stop();
    cut?.removeEventListener('abort', drop);
    // There is nothing to commit.
    await client.query('rollback').catch((error: Error) => {
      broken = error;
    });
    client.release(broken);
  }
}
