// The references, from this machine and this run. One is a bare COPY of the same rows into one table with a key. The
// other is a bare walk that parses every page and keeps nothing.
import { fileURLToPath } from 'node:url';
import { copyText } from './copy-text.ts';
import type { Bench } from './bench.ts';
import { measure } from './measure.ts';
import { openPool } from './postgres.ts';

const walkScript = fileURLToPath(new URL('bare-walk.ts', import.meta.url));

/**
 * Copies the present users of the newest snapshot, in the order of the API's pages. Returns the wall time in ms, and MB
 * of WAL.
 */
export async function bareCopy(
  bench: Bench,
  databaseUrl: string,
): Promise<{ copyMs: number; copyWalMb: number }> {
  const pool = openPool(databaseUrl);
  const client = await pool.connect();
  try {
    const { rows } = await client.query<string[]>({
      text: `select 1, user_id, email, name, max_risk_level, event_count, last_event::text
               from risk_bi.snapshot_users((select max(snapshot_id) from risk.snapshots)) order by last_event desc`,
      rowMode: 'array',
    });
    await client.query('drop table if exists bench_copy');
    await client.query(`create table bench_copy (account_key integer, user_id uuid, email text, name text, max_risk_level text,
      event_count integer, last_event timestamptz, primary key (account_key, user_id))`);
    const wal = await bench.postgres.walBytes();
    const began = performance.now();
    await copyText(client, 'bench_copy', rows);
    const copyMs = performance.now() - began;
    return { copyMs, copyWalMb: ((await bench.postgres.walBytes()) - wal) / 1e6 };
  } finally {
    client.release();
    await pool.end();
  }
}

/**
 * Runs in its own process, with four requests side by side. The figure includes the start of the process, as the figure
 * of the command does.
 */
export async function bareWalk(
  bench: Bench,
  accountId: string,
  perPage: number,
): Promise<{ walkMs: number; walkPeakMb: number }> {
  const { figures, ended } = await measure(bench, [
    { file: process.execPath, args: [walkScript, bench.api.url, accountId, String(perPage)], env: {} },
  ]);
  if (ended[0]?.code !== 0) throw new Error(`the bare walk failed:\n${ended[0]?.log}`);
  return { walkMs: figures.wallMs, walkPeakMb: figures.peakMb };
}
