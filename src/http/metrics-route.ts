// The scrape: what this process counted, and what the database knows. Answers even without the database. All clients
// that ask within a few seconds get the same text, so that a crowd costs one question and the text is written once.
import { Hono } from 'hono';
import type { Pool } from '../db/pool.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { accountGauges } from '../queries/accounts/account-gauges.ts';
import { requestWindows } from '../queries/health/request-windows.ts';
import { replicationSlots } from '../queries/replication/replication-slots.ts';
import { accountMetrics, type DatabaseView } from './account-metrics.ts';
import { askDatabase, DATABASE_WAIT_MS, isSlow, shared } from './ask-database.ts';
import type { Readiness } from './readiness.ts';

export type MetricsDeps = {
  metrics: Pick<Metrics, 'scrape' | 'contentType'>;
  pool: Pool;
  logger: Pick<Logger, 'warn'>;
  readiness(): Promise<Readiness>;
  databaseWaitMs?: number;
  scrapeKeptMs?: number;
};

/**
 * At most a usual interval of scrapes. An answer that took longer is kept longer: scrapes of thousands of accounts take
 * a twentieth of a core at most. accounts_read_timestamp_seconds gives the age of the text.
 */
const KEPT_MS = { least: 5_000, timesTaken: 20, most: 15_000 };

/** Pure. */
export function keptMs(tookMs: number): number {
  return Math.min(KEPT_MS.most, Math.max(KEPT_MS.least, KEPT_MS.timesTaken * tookMs));
}

export function metricsRoute(deps: MetricsDeps): Hono {
  const view = databaseViews(deps);
  const text = shared(deps.scrapeKeptMs ?? keptMs, async () => {
    const [own, accounts] = await Promise.all([deps.metrics.scrape(), view().then(accountMetrics)]);
    // Bytes, because connections that wait for a slow reader share them. Each connection would copy a string.
    return new TextEncoder().encode(`${own}\n${accounts}`);
  });
  return new Hono().get('/metrics', async (c) =>
    c.body(await text(), 200, { 'Content-Type': deps.metrics.contentType }),
  );
}

type Known = Pick<DatabaseView, 'accounts' | 'slots' | 'windows' | 'readAt'>;
const NOTHING: Known = { accounts: [], slots: [], windows: [], readAt: null };

/** While the database is slow, the accounts stay as they were when it last answered. */
function databaseViews(deps: MetricsDeps): () => Promise<DatabaseView> {
  let last: Known = NOTHING;
  const ms = deps.databaseWaitMs ?? DATABASE_WAIT_MS;
  return async () => {
    const { checks } = await deps.readiness();
    const migrated = checks.migrations.status === 'unknown' ? null : checks.migrations.status === 'ok';
    if (checks.database.status === 'failed') return { state: 'down', migrated, ...NOTHING };
    if (checks.database.status === 'slow') return { state: 'slow', migrated, ...last };
    try {
      const read = await askDatabase(deps.pool, ms, async (tx) => ({
        accounts: await accountGauges(tx),
        slots: await replicationSlots(tx),
        windows: await requestWindows(tx),
      }));
      last = { ...read, readAt: Date.now() / 1000 };
      return { state: 'answers', migrated, ...last };
    } catch (error) {
      deps.logger.warn({ err: error }, 'accounts could not be read for the metrics');
      if (isSlow(error)) return { state: 'slow', migrated, ...last };
      // With the schema of another version, statements may fail. database_migrated reports that, so the database
      // counts as up.
      return { state: migrated === true ? 'down' : 'answers', migrated, ...NOTHING };
    }
  };
}
