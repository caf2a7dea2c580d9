// The app of `serve` on its own port, with a database and everything it logged.
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { request, type Dispatcher } from 'undici';
import { createPool } from '../../../src/db/pool.ts';
import { createApp, type AppDeps } from '../../../src/http/app.ts';
import { HTTP_POOL } from '../../../src/http/ask-database.ts';
import { readAssets } from '../../../src/http/assets.ts';
import { READ_POOL } from '../../../src/http/read-as.ts';
import { startHttp, type HttpServer, type HttpTiming } from '../../../src/http/server.ts';
import { createMetrics, type Metrics } from '../../../src/metrics.ts';

export const TOKEN = 'a-token-that-nobody-guesses';

export type HttpApp = {
  http: HttpServer;
  metrics: Metrics;
  logs: { fields: Record<string, unknown>; message: string }[];
  /** Accounts for which a sync was requested, in order. */
  started: string[];
  url(path: string): string;
  /** Closes the app's connections, so that a stopping server does not wait for them. */
  ask(
    method: Dispatcher.HttpMethod,
    path: string,
    more?: { headers?: Record<string, string>; body?: string | Readable },
  ): Promise<{ status: number; headers: Record<string, unknown>; text: string; json: unknown }>;
  /** With the token. */
  scrape(): Promise<string>;
};

type Given = Partial<AppDeps> & { databaseUrl: string; timing?: Partial<HttpTiming> };

export async function startApp(t: TestContext, { databaseUrl, timing, ...given }: Given): Promise<HttpApp> {
  const logs: HttpApp['logs'] = [];
  const started: string[] = [];
  const log = (fields: Record<string, unknown>, message: string) => void logs.push({ fields, message });
  const metrics = createMetrics({ version: '1.2.3', budgetLeft: () => null });
  metrics.setSchedule({
    intervalMs: 3_600_000,
    staleAfterMs: 7_200_000,
    nextSlot: new Date('2026-11-25T13:00:00Z'),
  });
  const pool = createPool({ url: databaseUrl, ...HTTP_POOL, logger: { warn() {} } });
  const readers = createPool({ url: databaseUrl, ...READ_POOL, logger: { warn() {} } });
  t.after(() => void Promise.allSettled([pool.end(), readers.end()]));
  const app = createApp({
    version: '1.2.3',
    token: TOKEN,
    piiToken: null,
    allowedHosts: [],
    accountIds: () => ['a', 'b'],
    pool,
    reader: { pool: readers },
    assets: readAssets(),
    metrics,
    staleAfterMs: 7_200_000,
    nextSlot: () => new Date('2026-11-25T13:00:00Z'),
    highTargetMs: 86_400_000,
    startSync: async (accountId) => ({ status: 'started', run_id: started.push(accountId) }),
    isStopping: () => false,
    logger: { debug: log, warn: log, error: log } as never,
    ...given,
  });
  const http = await startHttp({ app, host: '127.0.0.1', port: 0, ...(timing && { timing }) });
  t.after(() => http.close(0));
  const url = (path: string) => `http://127.0.0.1:${http.port}${path}`;
  const ask: HttpApp['ask'] = async (method, path, { headers = {}, body } = {}) => {
    const answer = await request(url(path), { method, headers, body: body ?? null, reset: true });
    const text = await answer.body.text();
    const isJson = String(answer.headers['content-type']).startsWith('application/json') && text !== '';
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      json: isJson ? (JSON.parse(text) as unknown) : null,
    };
  };
  const scrape = async () =>
    (await ask('GET', '/metrics', { headers: { authorization: `Bearer ${TOKEN}` } })).text;
  return { http, metrics, logs, started, url, ask, scrape };
}
