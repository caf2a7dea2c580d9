// An account with a history written only by SQL: any number of users, present and cleared, and a newest snapshot with
// the right counts. Runs may continue from it.
import type { Pool } from '../../../src/db/pool.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';

/** SQL expressions over the number `n` of a user, from 1. Number n becomes a key when `keep` is true. */
export type Seed = {
  keys: number;
  keep?: string;
  present?: string;
  absent?: string;
  level?: string;
  events?: string;
  lastEvent?: string;
  email?: string;
  name?: string;
};

export const SEEDED_AT = '2026-01-01T00:00:00Z';

/** `userId` in SQL, for the number `n`. */
export const userIdOf = (accountId: string) => `md5('${accountId}/' || n)::uuid`;

/** For a claimed account that is still empty. Takes a value of the feed clock, as every writer does. */
export async function seedAccount(pool: Pool, lease: Lease, seed: Seed): Promise<void> {
  const {
    keys,
    keep = 'true',
    present = 'true',
    absent = 'false',
    level = `(array['low', 'medium', 'high'])[n % 3 + 1]`,
    events = 'n % 50',
    lastEvent = `'2025-12-01T10:00:00Z'::timestamptz + n * interval '1.000001 s'`,
    email = `'user' || n || '@example.com'`,
    name = `'User ' || n`,
  } = seed;
  const at = `'${SEEDED_AT}'::timestamptz`;
  const account = lease.accountKey;
  const clock = `risk_internal.feed_clock where account_key = risk_internal.feed_clock_key(${account})`;
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(
      `update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1
        where account_key = risk_internal.feed_clock_key(${account})`,
    );
    await client.query(`
      create temporary table seed on commit drop as
      select n as key, ${userIdOf(lease.accountId)} as id, (${present}) as is_present, (${present}) and (${absent}) as is_absent, ${level} as level,
             (${events})::integer as events, (${lastEvent})::timestamptz as last_event, ${email} as email, ${name} as name,
             (select last_snapshot_id from ${clock}) as snapshot
        from generate_series(1, ${keys}) n where ${keep}`);
    await client.query(`
      insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count, carried_count,
             event_count, appeared, raised, lowered, cleared, returned)
      select ${account}, (select last_snapshot_id from ${clock}), ${at}, 'complete', true, count(*), count(*), 0,
             coalesce(sum(events), 0), count(*), 0, 0, 0, 0 from seed where is_present;
      insert into risk.snapshot_levels (account_key, snapshot_id, max_risk_level, user_count, event_count)
      select ${account}, (select last_snapshot_id from ${clock}), l, count(s.key), coalesce(sum(s.events), 0)
        from unnest(array['low', 'medium', 'high']) l left join seed s on s.level = l and s.is_present group by l;
      insert into risk.users (account_key, user_key, user_id, max_risk_level, event_count, last_event, level_since, identity_since,
             first_seen_at, absent_since, cleared_at, snapshot_id)
      select ${account}, key, id, case when is_present then level end, events, last_event, case when is_present then ${at} - interval '1 day' end,
             ${at} - interval '1 day', ${at} - interval '1 day', case when is_absent then ${at} end, case when not is_present then ${at} end, snapshot from seed;
      insert into risk.user_identities (account_key, user_key, valid_from, email, name, snapshot_id)
      select ${account}, key, ${at} - interval '1 day', email, name, snapshot from seed;
      insert into risk.user_levels (account_key, user_key, valid_from, valid_to, max_risk_level, change, end_reason, absent_since, snapshot_id)
      select ${account}, key, ${at} - interval '1 day', case when not is_present then ${at} end, level, 'appeared',
             case when not is_present then 'absent' end, case when not is_present then ${at} end, snapshot from seed;
      insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
      select ${account}, key, ${at} - interval '1 day', events, last_event, snapshot from seed;
      insert into risk_internal.account_writers (account_key, last_user_key, last_snapshot_id)
      select ${account}, ${keys}, last_snapshot_id from ${clock}
          on conflict (account_key) do update set last_user_key = excluded.last_user_key, last_snapshot_id = excluded.last_snapshot_id`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}
