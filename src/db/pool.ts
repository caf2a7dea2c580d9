// The only place that makes a connection pool. The pool works behind a transaction pooler: it uses no start-up
// parameters except the application name, no named statements and no session state.
import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { Logger } from '../logger.ts';
import { EmbeddedClient } from './embedded/embedded-client.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

/**
 * `queryTimeoutMs` limits statements outside transactions; transactions set their own limits. `connectTimeoutMs` limits
 * the wait for a connection, either from the pool or to the server. `isEmbedded`: PG* variables are ignored, and the
 * server must prove that it is ours.
 */
export function createPool(options: {
  url: string;
  isEmbedded?: boolean;
  max?: number;
  queryTimeoutMs?: number;
  connectTimeoutMs?: number;
  logger: Pick<Logger, 'warn'>;
}): Pool {
  const pool = new pg.Pool({
    Client: options.isEmbedded === true ? EmbeddedClient : Connection,
    connectionString: driverUrl(options.url),
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

/**
 * In this release of the driver, these modes mean verify-full, and it says so in a warning of several lines among the
 * lines of the log. Written out, the meaning also stays the same in the next release.
 */
export function driverUrl(url: string): string {
  if (/[?&]uselibpqcompat=true(&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:allow|prefer|require|verify-ca)(?=&|$)/g, '$1verify-full');
}

/**
 * Closes the socket of a connection that could not be made. The driver leaves it open when it has no password to send,
 * and the process would wait for the server to lose patience.
 */
class Connection extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(done: Connected): void;
  override connect(done?: Connected): Promise<pg.Client> | void {
    if (done === undefined) return super.connect();
    super.connect((error: Error | null) => {
      if (error) {
        (this as unknown as { connection: { stream: Duplex } }).connection.stream.destroy();
        Object.assign(error, { whileConnecting: true, withoutPassword: !this.password });
      }
      (done as (error: Error | null) => void)(error);
    });
  }
}

type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void);
