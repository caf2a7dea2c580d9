// The only place that makes a connection pool. The pool works behind a transaction pooler: it uses no start-up
// parameters except the application name, no named statements and no session state.
import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { Logger } from '../logger.ts';
import { EmbeddedClient } from './embedded/embedded-client.ts';
import { REACH_WORKERS, setLocal } from './sql/set-local.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

/**
 * The meaning of statements, and the text form of values, must not depend on the settings of a database or a role.
 * Every transaction begins with these settings. The session does not: behind a transaction pooler, other clients would
 * inherit them.
 */
export const PINNED_SETTINGS = setLocal(
  REACH_WORKERS,
  "datestyle = 'ISO, YMD'",
  "intervalstyle = 'postgres'",
  "timezone = 'UTC'",
  'extra_float_digits = 1',
  'standard_conforming_strings = on',
  'array_nulls = on',
  'transform_null_equals = off',
  'search_path = pg_catalog, public',
  // Compiling the plan of a query takes longer than running it.
  'jit = off',
);

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
  // Without these listeners, a broken connection would end the process, either while it is idle or between two
  // statements of a transaction.
  pool.on('error', () => options.logger.warn('database connection lost'));
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pinned(pool);
}

/** Each Drizzle statement outside a transaction gets its own transaction, which pins the settings. */
function pinned(pool: Pool): Pool {
  const plain = pool.query.bind(pool) as (...args: unknown[]) => unknown;
  const query = (...args: unknown[]) => {
    const [config] = args;
    // Only Drizzle brings its own parsers. Other callers send statements that must not run inside a transaction, or
    // that return no times.
    const isDrizzle = typeof config === 'object' && config !== null && 'types' in config;
    return isDrizzle ? queryPinned(pool, args) : plain(...args);
  };
  return Object.assign(pool, { query });
}

async function queryPinned(pool: Pool, args: unknown[]): Promise<unknown> {
  const client = await pool.connect();
  const ask = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  // All three are sent before the first answer: the database may be 10 ms away.
  const pipeline = (on: boolean) => Object.assign(client, { pipeline: on });
  pipeline(true);
  const [begun, answer, ended] = await Promise.allSettled([
    ask(`begin isolation level read committed; ${PINNED_SETTINGS}`),
    ask(...args),
    ask('commit'),
  ]);
  pipeline(false);
  const isBroken = begun.status === 'rejected' || ended.status === 'rejected';
  client.release(isBroken);
  for (const step of [begun, answer, ended]) if (step.status === 'rejected') throw step.reason;
  return answer.status === 'fulfilled' ? answer.value : undefined;
}

/**
 * In this release of the driver, these modes mean verify-full, and the driver prints a warning of several lines into
 * the log. We write verify-full explicitly, so the warning goes away, and the meaning stays the same in the next
 * release.
 */
export function driverUrl(url: string): string {
  if (/[?&]uselibpqcompat=true(&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:allow|prefer|require|verify-ca)(?=&|$)/g, '$1verify-full');
}

/**
 * Closes the socket of a connection that could not be made. The driver leaves it open when it has no password to send,
 * and the process would wait until the server gives up.
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
