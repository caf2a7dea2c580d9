// The scrape: what this process counted, and what the database knows. Answers even without the database.
import { Hono } from 'hono';
import type { Pool } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { accountGauges } from '../queries/accounts/account-gauges.ts';
import { accountMetrics, type DatabaseView } from './account-metrics.ts';
import { answerWithin, DATABASE_WAIT_MS, shared } from './ask-database.ts';
import type { Readiness } from './readiness.ts';

export type MetricsDeps = {
  metrics: Pick<Metrics, 'scrape' | 'contentType'>;
  pool: Pool;
  logger: Pick<Logger, 'warn'>;
  readiness(): Promise<Readiness>;
  databaseWaitMs?: number;
};

export function metricsRoute(deps: MetricsDeps): Hono {
  const ofDatabase = shared(0, () => databaseView(deps));
  return new Hono().get('/metrics', async (c) => {
    const [own, accounts] = await Promise.all([deps.metrics.scrape(), ofDatabase().then(accountMetrics)]);
    return c.body(`${own}\n${accounts}`, 200, { 'Content-Type': deps.metrics.contentType });
  });
}

async function databaseView(deps: MetricsDeps): Promise<DatabaseView> {
  const { checks } = await deps.readiness();
  const view = {
    up: checks.database.status === 'ok',
    migrated: checks.migrations.status === 'ok',
    accounts: [],
  };
  if (!view.up) return view;
  const ms = deps.databaseWaitMs ?? DATABASE_WAIT_MS;
  try {
    const late = AbortSignal.timeout(ms);
    const read = () => readOnly(deps.pool, { statementMs: ms, lockMs: ms }, (tx) => accountGauges(tx, late));
    return { ...view, accounts: await answerWithin(ms, read) };
  } catch (error) {
    // With the schema of another version, statements may fail. database_migrated reports that, so the database counts
    // as up.
    deps.logger.warn({ err: error }, 'accounts could not be read for the metrics');
    return { ...view, up: !view.migrated };
  }
}
