// What the database says about finished slots: whether each slot was run once for each account, and how late.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../src/db/pool.ts';
import type { Row } from '../harness/report.ts';

const LOOK_EVERY_MS = 2_000;

/** By the database's clock. */
export async function newestSlot(pool: Pool, slotSeconds: number): Promise<Date> {
  const { rows } = await pool.query<{ ms: string }>(
    `select floor(extract(epoch from now()) / ${slotSeconds}) * ${slotSeconds * 1000} as ms`,
  );
  return new Date(Number(rows[0]!.ms));
}

/** Resolves when each account has a success for the slot, and one slot later at the latest. */
export async function waitForSlot(pool: Pool, slot: Date, accounts: number, slotMs: number): Promise<void> {
  await sleep(Math.max(0, slot.getTime() - Date.now()));
  while (Date.now() < slot.getTime() + slotMs) {
    const { rows } = await pool.query<{ n: string }>(
      `select count(*) as n from risk.sync_runs where scheduled_for = $1 and status = 'succeeded' and finished_at >= $1`,
      [slot],
    );
    if (Number(rows[0]!.n) >= accounts) return;
    await sleep(LOOK_EVERY_MS);
  }
}

/** `once`: pairs of slot and account with exactly one success. `missed`: pairs without a success. */
export async function judgeSlots(pool: Pool, slots: readonly Date[], accounts: number): Promise<Row> {
  const { rows } = await pool.query<Record<string, string | null>>(
    `with ended as (
       select account_key, scheduled_for, count(*) filter (where status = 'succeeded') as successes,
              count(*) as attempts
         from risk.sync_runs where scheduled_for = any($1::timestamptz[]) group by 1, 2),
     late as (
       select extract(epoch from started_at - scheduled_for) as begin, extract(epoch from finished_at - scheduled_for) as "end",
              extract(epoch from finished_at - started_at) * 1000 as took
         from risk.sync_runs where scheduled_for = any($1::timestamptz[]) and status = 'succeeded')
     select (select sum(attempts) from ended) as runs,
            (select count(*) from ended where successes = 1) as once,
            (select count(*) from ended where successes > 1) as twice,
            (select sum(attempts - successes) from ended) as failed,
            percentile_cont(0.5) within group (order by "end") as lag_p50,
            percentile_cont(0.95) within group (order by "end") as lag_p95, max("end") as lag_max,
            percentile_cont(0.5) within group (order by took) as took_p50, percentile_cont(0.95) within group (order by took) as took_p95
       from late`,
    [slots.map((slot) => slot.toISOString())],
  );
  const of = (name: string) => Number(rows[0]?.[name] ?? 0);
  return {
    runs: of('runs'),
    once: of('once'),
    twice: of('twice'),
    missed: slots.length * accounts - of('once') - of('twice'),
    failed: of('failed'),
    lag_p50_s: of('lag_p50'),
    lag_p95_s: of('lag_p95'),
    lag_max_s: of('lag_max'),
    run_p50_ms: of('took_p50'),
    run_p95_ms: of('took_p95'),
  };
}
