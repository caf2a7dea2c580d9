// The only place that makes a connection pool. The pool works behind a transaction pooler: it uses no start-up
// parameters except the application name, no named statements and no session state.
import pg from 'pg';
import type { Logger } from '../logger.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

/**
 * `queryTimeoutMs` limits statements outside transactions; transactions set their own limits. `connectTimeoutMs` limits
 * the wait for a connection, either from the pool or to the server.
 */
export function createPool(options: {
  url: string;
  max?: number;
  queryTimeoutMs?: number;
  connectTimeoutMs?: number;
  logger: Pick<Logger, 'warn'>;
}): Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 6,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 15_000,
    idleTimeoutMillis: 30_000,
    // A limit in the client, because poolers refuse the server's settings as start-up parameters.
    query_timeout: options.queryTimeoutMs ?? 600_000,
    application_name: 'zt-risk-sync',
    keepAlive: true,
  });
  // Without these listeners, a connection that breaks would end the process: while it is idle, or between two
  // statements of a transaction.
  pool.on('error', () => options.logger.warn('database connection lost'));
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pool;
}
