// The present users that the walk of this run has not met, in the order in which they are asked about; and some that it has.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../db/pool.ts';
import { readAgain } from '../db/read-again.ts';
import { lookups, snapshots, stagedRecords, users } from '../db/schema.ts';
import { wasMet } from './diff.ts';
import type { Lease } from './lease.ts';

type Run = Pick<Lease, 'accountKey' | 'runId'>;

export type KnownUser = {
  userId: string;
  /** RFC 3339 in UTC, microseconds. */
  lastEvent: string;
};

export type MissingUser = KnownUser & {
  /** Complete walks before this one that lacked the user without one that met them; counted up to `UP_TO`. */
  completeWalks: number;
};

const UP_TO = 9;
const rfc3339 = (column: { getSQL(): ReturnType<typeof sql> }) =>
  sql<string>`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

export async function countMissing(pool: Pool, run: Run): Promise<number> {
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<{ missing: number }>(sql`
    select count(*)::integer as missing from ${users}
     where ${users.account_key} = ${run.accountKey} and ${users.max_risk_level} is not null and not ${wasMet(run)}`),
  );
  return rows[0]?.missing ?? 0;
}

/**
 * First those who have not been asked since they became absent, longest absent first; then the others, the one asked longest
 * ago first: records that insist on a level for ever must not use up the budget of those after them.
 */
export async function listMissing(pool: Pool, run: Run, limit: number): Promise<MissingUser[]> {
  const [u, l, s] = [users, lookups, snapshots];
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<MissingUser>(sql`
    select ${u.user_id} as "userId", ${rfc3339(u.last_event)} as "lastEvent",
           (select count(*)::integer from (
              select 1 from ${s} where ${s.account_key} = ${run.accountKey} and ${s.verdict} = 'complete'
                and ${s.observed_at} >= ${u.absent_since} order by ${s.observed_at} desc limit ${UP_TO}) walks) as "completeWalks"
      from ${u}
      left join ${l} on ${l.account_key} = ${run.accountKey} and ${l.user_key} = ${u.user_key}
        and ${l.asked_at} >= ${u.absent_since}
     where ${u.account_key} = ${run.accountKey} and ${u.max_risk_level} is not null and not ${wasMet(run)}
     order by ${l.asked_at} nulls first, ${u.absent_since} nulls last, ${u.user_key}
     limit ${limit}`),
  );
  return rows;
}

/** Users whose records were read last: the least time to have been reset since. */
export async function listLastMet(pool: Pool, run: Run, limit: number): Promise<KnownUser[]> {
  const s = stagedRecords;
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<KnownUser>(sql`
    select ${s.user_id} as "userId", ${rfc3339(s.last_event)} as "lastEvent" from ${s}
     where ${s.account_key} = ${run.accountKey} and ${s.run_id} = ${run.runId}
     order by ${s.read_order} desc, ${s.position} desc limit ${limit}`),
  );
  return rows;
}
