// Only the pages and the API, for this machine: no schedule, no metrics, nothing that starts a run.
import { createPool } from '../db/pool.ts';
import { isOperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { VERSION } from '../version.ts';
import { createApp } from './app.ts';
import { HTTP_POOL } from './ask-database.ts';
import { readAssets } from './assets.ts';
import { READ_POOL } from './read-as.ts';
import { addressOf, startHttp, type HttpServer } from './server.ts';

export type DashboardOptions = {
  database: { url: string; isEmbedded: boolean };
  /** If another program uses this port, any free one is taken. */
  port: number;
  staleAfterMs: number;
  highTargetMs: number;
  logger: Logger;
};

export type Dashboard = { address: string; port: number; close(): Promise<void> };

const LOOPBACK = '127.0.0.1';
const CLOSE_MS = 2_000;

/** Throws HTTP_ADDRESS_UNUSABLE. */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { database, port, logger, staleAfterMs, highTargetMs } = options;
  const probes = createPool({ ...database, ...HTTP_POOL, logger });
  const readers = createPool({ ...database, ...READ_POOL, logger });
  const endPools = () => Promise.all([probes.end(), readers.end()]);
  const app = createApp({
    version: VERSION,
    token: null,
    piiToken: null,
    allowedHosts: [],
    accountIds: () => [],
    pool: probes,
    reader: { pool: readers },
    assets: readAssets(),
    metrics: null,
    startSync: null,
    nextSlot: () => null,
    staleAfterMs,
    highTargetMs,
    isStopping: () => false,
    logger,
  });
  const listen = (wanted: number) => startHttp({ app, host: LOOPBACK, port: wanted });
  let http: HttpServer;
  try {
    http = await listen(port).catch((error: unknown) => {
      if (isOperatorError(error) && error.code === 'HTTP_PORT_TAKEN') return listen(0);
      throw error;
    });
  } catch (error) {
    await endPools();
    throw error;
  }
  return {
    address: addressOf(LOOPBACK, http.port),
    port: http.port,
    async close() {
      await http.close(CLOSE_MS);
      await endPools();
    },
  };
}
