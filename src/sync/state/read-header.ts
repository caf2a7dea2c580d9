// What an account's state must add up to: the newest snapshot, the last writer, and the highest key that was given.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { accountWriters, snapshotLevels, snapshots } from '../../db/schema.ts';
import { CLOCK_TOLERANCE_MS } from '../../time/clock-tolerance.ts';
import type { Lease } from '../claim/lease.ts';
import { emptySums, type LevelSums } from './level-sums.ts';
import { clockBackwards } from './state-errors.ts';

export type Header = {
  /** Highest key ever given to a user of the account. */
  lastUserKey: number;
  /** The snapshot id that the account's last writer noted; -1 if none was ever noted. */
  lastWriter: number;
  /** When the newest snapshot was observed, as text; null before the first. */
  newestAt: string | null;
  /** Whether the account has a complete snapshot. */
  hasComplete: boolean;
  /** The counts of the newest snapshot. */
  recorded: LevelSums;
};

/** Throws CLOCK_BACKWARDS. */
export async function readHeader(pool: Pool, lease: Lease, observedAt: string): Promise<Header> {
  const [w, s, l] = [accountWriters, snapshots, snapshotLevels];
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<{
      lastUserKey: number;
      lastWriter: number;
      newestAt: string | null;
      backwards: boolean | null;
      hasComplete: boolean;
      levels: Partial<LevelSums> | null;
    }>(sql`
    select coalesce(${w.last_user_key}, 0) as "lastUserKey", coalesce(${w.last_snapshot_id}, -1)::float8 as "lastWriter", newest.observed_at::text as "newestAt",
           newest.observed_at - ${observedAt}::timestamptz > ${CLOCK_TOLERANCE_MS}::float8 * interval '1 millisecond' as backwards,
           exists (select from ${s} where ${s.account_key} = ${lease.accountKey} and ${s.verdict} = 'complete') as "hasComplete",
           (select jsonb_object_agg(${l.max_risk_level}, jsonb_build_object('users', ${l.user_count}, 'events', ${l.event_count})) from ${l}
             where ${l.account_key} = ${lease.accountKey} and ${l.snapshot_id} = newest.snapshot_id) as levels
      from (select) one
      left join ${w} on ${w.account_key} = ${lease.accountKey}
      left join (select ${s.snapshot_id} as snapshot_id, ${s.observed_at} as observed_at from ${s}
                  where ${s.account_key} = ${lease.accountKey} order by ${s.observed_at} desc limit 1) newest on true`),
  );
  const [row] = rows;
  if (row === undefined) throw new Error('a select without a row');
  if (row.backwards === true) throw clockBackwards(observedAt, row.newestAt);
  return { ...row, recorded: { ...emptySums(), ...row.levels } };
}
