// Reserves requests for one process out of the limit that all replicas share: one UPDATE, by the database's clock.
//
// The row counts reservations by slices of a sixtieth of the window. A reservation may be used for a thirtieth of the
// window. So a slice counts until its end, plus that life, plus one window. The count at the time of a reservation
// therefore includes every request that may be sent in the window that ends there, and no window can hold more than the
// limit. The price is 5 % of the rate that the limit allows.
//
// Times never go back: each reservation is for the time of the one before, or later. That makes the queue fair.
import { sql, type SQL } from 'drizzle-orm';
import { columnNames } from '../sql/column-names.ts';
import { writtenOut } from '../sql/inline-sql.ts';
import { PINNED_SETTINGS, type Pool } from '../pool.ts';
import { requestBudgets as b } from '../schema.ts';
import { limitsOf } from '../transaction.ts';

export type RequestNeed = {
  /** SHA-256 of the credentials, as 64 hexadecimal digits. */
  identity: string;
  windowMs: number;
  /** Requests that all replicas together may send in one window. */
  limit: number;
  /** Requests that wait now. */
  need: number;
  /** Requests that will be needed soon. Granted only while plenty is left. */
  want: number;
  /** Requests that were sent without a reservation since the last reservation. */
  unreserved: number;
};

export type Reservation = {
  count: number;
  /** From the database's answer until the requests may be sent. */
  waitMs: number;
  /** How long the requests may be sent after that. */
  lifeMs: number;
  /** The slice to which unused requests are given back. */
  slice: number;
  /** Reserved by all replicas, this reservation included. */
  used: number;
  /** Until the oldest of them no longer counts. */
  resetMs: number;
};

export const SLICES = 60;
export const LIVES = 30;
/** While more than this part is left, requests do not wait. The rest is spread over the window. */
const PLENTY = 0.2;
/** While requests are spread, one reservation covers at most this part of the window. */
const SPREAD = 300;

const LIMITS = { lockMs: 1_500, statementMs: 2_000, idleMs: 2_000 };

/** Milliseconds, all whole numbers. */
export function partsOf(windowMs: number): { sliceMs: number; lifeMs: number } {
  return { sliceMs: Math.ceil(windowMs / SLICES), lifeMs: Math.ceil(windowMs / LIVES) };
}

/** Throws what the driver throws. `now` is a seam for tests: a time of the database. */
export async function reserveRequests(
  pool: Pool,
  need: RequestNeed,
  now: SQL = sql`now()`,
): Promise<Reservation> {
  const [row] = await inOneTrip<ReservedRow>(pool, sql`${firstRow(need, now)}; ${reservation(need, now)}`);
  if (row === undefined) throw new Error('the request budget has no row');
  return read(row, need.windowMs);
}

type ReservedRow = {
  granted: number;
  first_slice: number;
  slices: number[];
  booked_ms: number;
  now_ms: number;
};

function read(
  { granted, first_slice, slices, booked_ms, now_ms }: ReservedRow,
  windowMs: number,
): Reservation {
  const { sliceMs, lifeMs } = partsOf(windowMs);
  const slice = Math.floor(booked_ms / sliceMs);
  const leaves = (index: number) => (first_slice + index + 1) * sliceMs + lifeMs + windowMs - now_ms;
  const alive = slices.map((count, index) => ({ count, leaves: leaves(index) })).filter((s) => s.leaves > 0);
  return {
    count: granted,
    waitMs: Math.max(0, booked_ms - now_ms),
    lifeMs,
    slice,
    used: alive.reduce((sum, { count }) => sum + count, 0),
    resetMs: alive.find(({ count }) => count > 0)?.leaves ?? 0,
  };
}

/**
 * Limits hold only for this statement, also behind a transaction pooler. Having no limit would leave waiting sessions
 * behind.
 */
export async function inOneTrip<Row>(pool: Pool, statement: SQL): Promise<Row[]> {
  const text = `begin isolation level read committed; ${limitsOf(LIMITS)}; ${PINNED_SETTINGS}; ${writtenOut(statement)}; commit`;
  // For several statements, pg returns several results. Its types do not know this.
  const results = (await pool.query(text)) as unknown as { command: string; rows: Row[] }[];
  return results.find(({ command }) => command === 'UPDATE')?.rows ?? [];
}

/**
 * Does nothing if the row exists. If another process is making the row, this waits for it: otherwise the lock below
 * would find no row. When the first row is made, rows of credentials that were replaced are removed.
 */
function firstRow({ identity, windowMs, limit }: RequestNeed, now: SQL): SQL {
  const t = b;
  return sql`with added as (
      insert into ${t} (${columnNames(t.identity, t.window_ms, t.request_limit, t.first_slice, t.slices, t.granted, t.booked_for, t.renewed_at)})
      values (${identity}, ${windowMs}, ${limit}, 0, '{}', 0, ${now}, ${now}) on conflict do nothing returning 1)
    delete from ${t} where exists (select from added) and ${t.renewed_at} < ${now} - interval '1 day'`;
}

// The row is locked first. Otherwise, the UPDATE would wait for the row and then compute from its old content
// (measured: of 60 reservations at one moment, 16 to 27 were lost). now() is the time before the wait. This is right,
// because booked_for does not go back.
function reservation({ identity, windowMs, limit, need, want, unreserved }: RequestNeed, now: SQL): SQL {
  const { sliceMs, lifeMs } = partsOf(windowMs);
  const t = b;
  const ms = (time: SQL | typeof t.booked_for | typeof t.blocked_until) =>
    sql`floor(extract(epoch from ${time}) * 1000)::bigint`;
  // No reservation is further ahead than this. If one is, the clock went back: all reservations count from now on.
  const furthest = sql`ms + ${2 * windowMs + lifeMs + sliceMs}::bigint`;
  const own = sql`${t.identity} = ${identity} and ${t.window_ms} = ${windowMs}::integer`;
  return sql`select from ${t} where ${own} for no key update; update ${t} set (${columnNames(t.request_limit, t.renewed_at, t.granted, t.booked_for, t.first_slice, t.slices)}) = (
    with read as (select ${ms(now)} as ms, ${ms(t.booked_for)} as booked, ${ms(t.blocked_until)} as blocked),
         clock as (
           select ms, booked > ${furthest} as is_lost, case when booked <= ${furthest} then booked else ms end as since,
                  greatest(ms, case when booked <= ${furthest} then booked end, case when blocked <= ${furthest} then blocked end) as floor
             from read),
         live as (
           select slice, sum(n) as n, (slice + 1) * ${sliceMs}::bigint + ${lifeMs + windowMs}::bigint as leaves
             from (select case when is_lost then ms / ${sliceMs}::bigint else ${t.first_slice} + i - 1 end as slice, n, floor
                     from clock, unnest(${t.slices}) with ordinality as held(n, i) where n > 0) held
            where (slice + 1) * ${sliceMs}::bigint + ${lifeMs + windowMs}::bigint > floor
            group by slice),
         places as (
           select floor as at, ${limit}::bigint - ${unreserved}::bigint - coalesce((select sum(n) from live), 0) as remaining from clock
           union all
           select leaves, ${limit}::bigint - ${unreserved}::bigint
                  - coalesce(sum(n) over (order by slice rows between 1 following and unbounded following), 0) from live),
         place as (
           select at, least(remaining, ${limit}::bigint) as remaining, (select min(leaves) from live where leaves > at) as oldest
             from places order by remaining > 0 desc, case when remaining > 0 then at else -at end limit 1),
         pace as (
           select *, remaining - floor(${limit}::bigint * ${PLENTY}::numeric) as free, (oldest - at)::numeric / (remaining + 1) as interval_ms
             from place),
         grant_of as (
           select *, greatest(1, case when free >= 1 then least(${Math.max(need, want)}::bigint, free)
                    else least(${need}::bigint, remaining, floor(${windowMs / SPREAD}::numeric / nullif(interval_ms, 0))) end)::integer as n
             from pace),
         final as (
           select n, case when free >= 1 then at
                          else greatest(at, least(oldest, ((select since from clock) + n * interval_ms)::bigint)) end as at
             from grant_of)
    select ${limit}::integer, ${now}, n, to_timestamp(final.at / 1000.0), first,
           (select array_agg((coalesce(live.n, 0) + case when k = final.at / ${sliceMs}::bigint then final.n + ${unreserved}::bigint else 0 end)::integer order by k)
              from generate_series(first, final.at / ${sliceMs}::bigint) k left join live on live.slice = k)
      from final, lateral (select coalesce((select min(slice) from live), final.at / ${sliceMs}::bigint) as first) begun)
    where ${own}
    returning ${columnNames(t.granted)}, ${columnNames(t.first_slice)}::float8, ${columnNames(t.slices)},
      ${ms(t.booked_for)}::float8 as booked_ms, ${ms(now)}::float8 as now_ms`;
}
