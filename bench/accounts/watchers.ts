// The other readers while accounts are synced: Prometheus, and readers of the history.
import { setTimeout as sleep } from 'node:timers/promises';
import { openPool } from '../harness/postgres.ts';
import { TOKEN } from './replicas.ts';

export type Scrapes = { ms: number[]; bytes: number; notUp: number };

/** Longer than the text of a scrape is kept, so that each scrape gets a new text. */
const SCRAPE_EVERY_MS = 7_000;

/** Scrapes each replica on its own. The promise resolves after `signal` is aborted. */
export async function scrape(urls: readonly string[], signal: AbortSignal): Promise<Scrapes> {
  const found: Scrapes = { ms: [], bytes: 0, notUp: 0 };
  await Promise.all(
    urls.map(async (url, index) => {
      await pause((SCRAPE_EVERY_MS / urls.length) * index, signal);
      while (!signal.aborted) {
        const began = performance.now();
        const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
        const text = await response.text();
        const ms = performance.now() - began;
        found.ms.push(ms);
        found.bytes = Math.max(found.bytes, text.length);
        if (!text.includes('zt_risk_sync_database_up 1') || !text.includes('zt_risk_sync_database_slow 0'))
          found.notUp++;
        await pause(SCRAPE_EVERY_MS - ms, signal);
      }
    }),
  );
  return found;
}

const QUESTIONS: readonly (readonly [everyMs: number, text: string])[] = [
  // A feed that remembers the highest value it has seen.
  [
    1_000,
    'select * from risk_bi.level_changes where snapshot_id > (select max(snapshot_id) - 200 from risk.snapshots) order by snapshot_id limit 1000',
  ],
  // A dashboard of all accounts.
  [
    10_000,
    `select max_risk_level, count(*) from risk_bi.users where is_present and not is_account_retired group by 1`,
  ],
];

/** Returns how many questions were answered, and the longest answer in ms. */
export async function read(
  databaseUrl: string,
  signal: AbortSignal,
): Promise<{ answers: number; longestMs: number }> {
  const found = { answers: 0, longestMs: 0 };
  await Promise.all(
    QUESTIONS.map(async ([everyMs, text]) => {
      const pool = openPool(databaseUrl);
      while (!signal.aborted) {
        const began = performance.now();
        await pool.query(text);
        found.answers++;
        found.longestMs = Math.max(found.longestMs, performance.now() - began);
        await pause(everyMs, signal);
      }
      await pool.end();
    }),
  );
  return found;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
}
