// The one place that makes a connection pool. Works behind a transaction pooler: no start-up parameters beyond the
// application name, no named statements, no session state.
import pg from 'pg';
import type { Logger } from '../logger.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

/**
 * `queryTimeoutMs` bounds statements outside transactions; transactions set their own limits. `connectTimeoutMs` bounds the wait
 * for a connection, of the pool or to the server.
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
    // A client-side bound: the server-side settings are refused by poolers as start-up parameters.
    query_timeout: options.queryTimeoutMs ?? 600_000,
    application_name: 'zt-risk-sync',
    keepAlive: true,
  });
  // Without a listener an idle connection that dies takes the process with it; so does one that dies between two
  // statements of a transaction.
  pool.on('error', () => options.logger.warn('database connection lost'));
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pool;
}
