// Composition root: makes the logger, the database and the client from the configuration. Only commands import it.
import type { Readable } from 'node:stream';
import type { Config } from './config.ts';
import { rereadAuth } from './settings/credentials.ts';
import type { Source } from './settings/variables.ts';
import { createCloudflareClient, type CloudflareClient } from './cloudflare/client.ts';
import type { SharedBudget } from './cloudflare/pace/reservations.ts';
import { createDispatcher } from './cloudflare/exchange.ts';
import { DEFAULT_TIMING } from './cloudflare/retry.ts';
import { reserveRequests } from './db/budget/reserve-requests.ts';
import { blockRequests, giveRequestsBack } from './db/budget/settle-requests.ts';
import { ensureDatabase, productDatabase } from './db/create-database.ts';
import { startEmbedded } from './db/embedded/embedded-postgres.ts';
import { migrate, requireMigrated } from './db/migrate.ts';
import { createPool, type Pool } from './db/pool.ts';
import { createLogger, rootCause, type Logger } from './logger.ts';
import { createSuccessPing, type SuccessPing } from './net/success-ping.ts';

export type Io = {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  /** Replaces the standard input of the process. */
  stdin?: Readable & { isTTY?: boolean };
  source: Source;
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal;
  /** Sets the exit code of the process. */
  exit(code: number): void;
  /** Node arguments that start the embedded server's watcher. */
  watcher: string[];
};

export type Database = { url: string; isEmbedded: boolean; pool: Pool; close(): Promise<void> };

export function openLogger(io: Io, config: { logLevel: string; secrets: Iterable<string> }): Logger {
  const isTerminal = io.stderr.isTTY === true;
  return createLogger({
    level: config.logLevel,
    secrets: config.secrets,
    pretty: isTerminal,
    // A log line replaces the progress bar, which is drawn again below it.
    destination: isTerminal ? { write: (line) => io.stderr.write(`\r\u001b[K${line}`) } : io.stderr,
  });
}

/** `why`: the reason for using the embedded server although DATABASE_URL is set. */
export type DatabaseChoice = Pick<Config, 'databaseUrl' | 'dataFolder'> & { why?: string };

/**
 * Connects to DATABASE_URL or to the embedded Postgres. `behind` says what to do with a database that lacks migrations:
 * migrate it, refuse it, or leave it to the command.
 */
export async function openDatabase(
  io: Io,
  config: DatabaseChoice,
  logger: Logger,
  behind: 'migrate' | 'refuse' | 'leave',
  connections?: number,
): Promise<Database> {
  const url = config.databaseUrl ?? (await embeddedUrl(io, config));
  const isEmbedded = config.databaseUrl === null;
  const max = connections === undefined ? {} : { max: connections };
  const pool = createPool({ url, isEmbedded, logger, ...max });
  const database = { url, isEmbedded, pool, close: () => pool.end() };
  try {
    await judgeSchema(pool, logger, behind);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return database;
}

export async function judgeSchema(
  pool: Pool,
  logger: Logger,
  behind: 'migrate' | 'refuse' | 'leave',
): Promise<void> {
  if (behind === 'refuse') await requireMigrated(pool);
  if (behind !== 'migrate') return;
  const { applied } = await migrate(pool);
  if (applied > 0) logger.info({ applied }, 'database migrated');
}

async function embeddedUrl(io: Io, config: Pick<DatabaseChoice, 'dataFolder' | 'why'>): Promise<string> {
  const server = await startEmbedded({
    ...config.dataFolder,
    watcher: io.watcher,
    onProgress: (message) => io.stderr.write(`${message}\n`),
  });
  const { why = 'No DATABASE_URL is set' } = config;
  io.stderr.write(`${why}: using the embedded Postgres at 127.0.0.1:${server.port}\n`);
  return ensureDatabase(server.url, productDatabase);
}

export function openClient(
  config: Config,
  logger: Logger,
  extra: Pick<
    Parameters<typeof createCloudflareClient>[0],
    'timing' | 'onAnswer' | 'onNoAnswer' | 'rateShare' | 'sharedBudget'
  > = {},
): CloudflareClient {
  const { auth, baseUrl, proxy } = config.cloudflare;
  if (auth === null) throw new Error('no credentials: readConfig was not asked for them');
  return createCloudflareClient({
    baseUrl,
    auth,
    rereadAuth: () => rereadAuth(config),
    rateShare: config.sync.rateShare,
    proxy,
    logger,
    ...extra,
  });
}

/**
 * The request limit that all replicas share. It has its own connection, so that no request waits for the connections of
 * a publish. Close it after the client.
 */
export function openSharedBudget(
  { url, isEmbedded }: Pick<Database, 'url' | 'isEmbedded'>,
  logger: Logger,
): SharedBudget & { close(): Promise<void> } {
  const pool = createPool({
    url,
    isEmbedded,
    logger,
    max: 1,
    connectTimeoutMs: BUDGET_PATIENCE_MS,
    queryTimeoutMs: BUDGET_PATIENCE_MS,
  });
  return {
    reserve: (ask) => reserveRequests(pool, ask).catch(nullBeforeMigration),
    giveBack: (of) => giveRequestsBack(pool, of),
    block: (of) => blockRequests(pool, of),
    close: () => pool.end(),
  };
}

/** The accounts of a token are listed before the database is migrated. */
function nullBeforeMigration(error: unknown): null {
  const { code } = (rootCause(error) ?? {}) as { code?: unknown };
  if (code === '42P01' || code === '3F000') return null;
  throw error;
}

/** Longer than the statements' own limit. After this time, requests are sent without a reservation. */
const BUDGET_PATIENCE_MS = 3_000;

/** Null without PING_URL. */
export function openSuccessPing(config: Config, logger: Logger): SuccessPing | null {
  const url = config.pingUrl;
  if (url === null) return null;
  const dispatcher = createDispatcher(new URL(url), config.cloudflare.proxy, DEFAULT_TIMING);
  return createSuccessPing({ url, dispatcher, logger });
}
