// What a process tells the other replicas about its requests: that some were not used, or that the API answered 429.
import { sql } from 'drizzle-orm';
import { columnNames } from '../sql/column-names.ts';
import type { Pool } from '../pool.ts';
import { requestBudgets as b } from '../schema.ts';
import { inOneTrip } from './reserve-requests.ts';

/** `slice`: the slice of the reservation. Does nothing if that slice no longer counts. */
export async function giveRequestsBack(
  pool: Pool,
  { identity, windowMs, slice, count }: { identity: string; windowMs: number; slice: number; count: number },
): Promise<void> {
  const at = sql`(${slice}::bigint - ${b.first_slice} + 1)::integer`;
  await inOneTrip(
    pool,
    sql`update ${b} set slices[${at}] = greatest(0, ${b.slices}[${at}] - ${count}::integer)
      where ${b.identity} = ${identity} and ${b.window_ms} = ${windowMs}::integer
        and ${slice}::bigint between ${b.first_slice} and ${b.first_slice} + cardinality(${b.slices}) - 1`,
  );
}

/** No process gets a reservation for an earlier time than this. At most one window ahead. */
export async function blockRequests(
  pool: Pool,
  { identity, windowMs, ms }: { identity: string; windowMs: number; ms: number },
): Promise<void> {
  const until = sql`now() + ${Math.min(ms, windowMs) / 1000}::float8 * interval '1 second'`;
  await inOneTrip(
    pool,
    sql`update ${b} set ${columnNames(b.blocked_until)} = greatest(${b.blocked_until}, ${until})
      where ${b.identity} = ${identity} and ${b.window_ms} = ${windowMs}::integer`,
  );
}
