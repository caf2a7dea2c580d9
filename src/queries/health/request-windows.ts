// The requests that all replicas have reserved in the newest window, for each set of credentials that was used today.
import { sql } from 'drizzle-orm';
import { LIVES, SLICES } from '../../db/budget/reserve-requests.ts';
import { on, type Db } from '../../db/handle.ts';
import { requestBudgets as b } from '../../db/schema.ts';

export type RequestWindow = {
  /** The first digits of the hash of the credentials. */
  credentials: string;
  used: number;
  limit: number;
  window_ms: number;
  /** How long the newest reservation waits, in seconds from now. */
  wait_s: number;
  /** How long all requests are held back because the API answered 429, in seconds. */
  blocked_s: number;
};

export async function requestWindows(db: Db): Promise<RequestWindow[]> {
  const slice = sql`ceil(${b.window_ms}::numeric / ${SLICES}::integer)`;
  const life = sql`ceil(${b.window_ms}::numeric / ${LIVES}::integer)`;
  const { rows } = await on(db).execute<RequestWindow>(sql`
    select left(${b.identity}, 8) as credentials, ${b.request_limit} as limit, ${b.window_ms} as window_ms,
           (select coalesce(sum(n), 0) from unnest(${b.slices}) with ordinality as held(n, i)
             where (${b.first_slice} + i) * ${slice} + ${life} + ${b.window_ms} > extract(epoch from now()) * 1000)::integer as used,
           greatest(0, extract(epoch from ${b.booked_for} - now()))::float8 as wait_s,
           greatest(0, extract(epoch from ${b.blocked_until} - now()))::float8 as blocked_s
      from ${b} where ${b.renewed_at} > now() - interval '1 day' order by 1, 3`);
  return rows;
}
