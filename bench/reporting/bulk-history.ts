// Writes a long history of an invented account with SQL, straight into the tables. A year of hourly snapshots takes
// minutes this way, and syncs would take a day. test/scenarios/moves/bulk-history.test.ts proves that publishing would
// write the same rows.
import type { Pool } from '../../src/db/pool.ts';

export type BulkHistory = {
  accountId: string;
  users: number;
  /** Number of snapshots, an hour apart. */
  snapshots: number;
  /** Instant of the first one, in whole milliseconds. */
  start: string;
  /** Average acts per user over the whole history. */
  actsPerUser: number;
  seed: number;
};

/**
 * Adds the account and its history. Leaves the table `bulk_acts`: what each user did at each snapshot. A null level
 * means that the user was cleared.
 */
export async function writeBulkHistory(pool: Pool, history: BulkHistory): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query("set local work_mem = '256MB'");
    // In the order of publishing: keys rise with the first snapshot, and rows are in the order of time.
    for (const statement of [...statements(history), 'commit']) await client.query(statement);
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
  for (const table of TABLES) await pool.query(`vacuum analyze risk.${table}`);
}

const TABLES = [
  'snapshots',
  'snapshot_levels',
  'sync_runs',
  'users',
  'user_levels',
  'user_identities',
  'user_activity',
];

function statements({ accountId, users, snapshots, start, actsPerUser, seed }: BulkHistory): string[] {
  const random = (what: string, salt: number) =>
    `(hashint8extended(${what}, ${seed * 100 + salt}) & 9007199254740991) / 9007199254740992.0::float8`;
  const at = (n: string) => `('${start}'::timestamptz + ${n} * interval '1 hour')`;
  const key = `(select account_key from risk.accounts where account_id = '${accountId}')`;
  const rank = (level: string) => `array_position(array['low', 'medium', 'high'], ${level})`;
  return [
    `insert into risk_internal.account_keys (account_id) values ('${accountId}')`,
    `with tick as (update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1 where account_key = 0 returning last_snapshot_id)
       insert into risk.accounts (account_key, account_id, label, added_at, feed_id)
       select account_key, account_id, 'Bulk', '${start}', last_snapshot_id from tick, risk_internal.account_keys where account_id = '${accountId}'`,
    `drop table if exists bulk_acts`,
    // A few users make most of the moves: the third power of an evenly distributed number from 0 to 1 has a mean of a
    // quarter.
    `create temp table bulk_users on commit drop as
       select u as user_no, md5('${accountId}/' || u)::uuid as user_id,
              1 + floor(${actsPerUser} * 4 * (${random('u', 1)}) ^ 3)::integer as acts
         from generate_series(1::bigint, ${users}) u`,
    // Nine of ten users are present from the beginning. One act in ten may change the level, and one in sixty clears
    // the user.
    `create table bulk_acts as
       with chosen as (
              select distinct user_no, user_id,
                     case when n = 1 and ${random('user_no', 2)} < 0.9 then 0
                          else floor(${random('user_no * 100000 + n', 3)} * ${snapshots})::integer end as snapshot_no
                from bulk_users, generate_series(1, acts) n),
            drawn as (
              select *, snapshot_no > 0 and row_number() over w > 1 and ${random('user_no * 100000 + snapshot_no', 4)} < 1 / 60.0 as clears,
                     ${random('user_no * 100000 + snapshot_no', 5)} < 0.1 as moves
                from chosen window w as (partition by user_no order by snapshot_no)),
            told as (
              select *, coalesce(lag(clears) over w, false) as cleared_before, row_number() over w as event_count,
                     count(*) filter (where moves) over w as move_no
                from drawn window w as (partition by user_no order by snapshot_no))
       select user_no, user_id, snapshot_no, event_count::integer,
              case when not clears then (array['low', 'low', 'low', 'medium', 'medium', 'high'])[
                1 + floor(${random('user_no * 100000 + move_no', 6)} * 6)::integer] end as level,
              ${at('snapshot_no')} - ${random('user_no * 100000 + snapshot_no', 7)} * interval '50 minutes' as last_event
         from told where not (clears and cleared_before)`,
    `create temp table bulk_periods on commit drop as
       with seen as (
              select *, lag(level) over w as level_before, row_number() over w as nth
                from bulk_acts window w as (partition by user_no order by snapshot_no)),
            turns as (select *, lead(snapshot_no) over w as until_no, lead(level) over w as next_level
                from seen where nth = 1 or level is distinct from level_before window w as (partition by user_no order by snapshot_no))
       select user_no, user_id, snapshot_no as from_no, until_no, level, level_before, nth = 1 as is_first, until_no is not null and next_level is null as is_cleared
         from turns where level is not null`,
    `create temp table bulk_ids on commit drop as select last_snapshot_id as before from risk_internal.feed_clock where account_key = 0`,
    // Keys are numbered as in a publish: users of one snapshot by their id.
    `insert into risk.users (account_key, user_key, user_id, max_risk_level, event_count, last_event, level_since, identity_since, first_seen_at, cleared_at, snapshot_id)
       with served as (select distinct on (user_no) user_no, event_count, last_event from bulk_acts where level is not null order by user_no, snapshot_no desc),
            newest as (select distinct on (user_no) user_no, user_id, level, snapshot_no from bulk_acts order by user_no, snapshot_no desc),
            first as (select user_no, min(snapshot_no) as first_no from bulk_acts group by user_no),
            open as (select user_no, from_no from bulk_periods where until_no is null)
       select ${key}, row_number() over (order by first_no, user_id), user_id, level, event_count, last_event, ${at('from_no')}, ${at('first_no')}, ${at('first_no')},
              case when level is null then ${at('snapshot_no')} end, snapshot_no + 1 + before
         from newest join served using (user_no) join first using (user_no) left join open using (user_no), bulk_ids
        order by first_no, user_id`,
    `insert into risk.user_identities (account_key, user_key, valid_from, email, name, snapshot_id)
       select account_key, user_key, first_seen_at, user_id || '@example.com', 'Somebody', 1 + before + round(extract(epoch from first_seen_at - '${start}') / 3600)
         from risk.users, bulk_ids where account_key = ${key} order by first_seen_at, user_key`,
    `insert into risk.user_levels (account_key, user_key, valid_from, valid_to, max_risk_level, previous_level, change, end_reason, absent_since, snapshot_id)
       select account_key, user_key, ${at('from_no')}, ${at('until_no')}, level, level_before,
              case when is_first then 'appeared' when level_before is null then 'returned'
                   when ${rank('level')} > ${rank('level_before')} then 'raised' else 'lowered' end,
              case when is_cleared then 'absent' when until_no is not null then 'changed' end,
              case when is_cleared then ${at('until_no')} end, coalesce(until_no, from_no) + 1 + before
         from bulk_periods join risk.users u using (user_id), bulk_ids where u.account_key = ${key} order by from_no, user_key`,
    `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
       select account_key, user_key, ${at('snapshot_no')}, b.event_count, b.last_event, snapshot_no + 1 + before
         from bulk_acts b join risk.users u using (user_id), bulk_ids
        where u.account_key = ${key} and level is not null order by snapshot_no, user_key`,
    // What each act adds to its level, and takes from the level before it.
    `create temp table bulk_deltas on commit drop as
       with before as (
              select *, lag(level) over w as old_level, lag(event_count) over w as old_count
                from bulk_acts window w as (partition by user_no order by snapshot_no)),
            moved as (
              select snapshot_no, level, 1 as users, event_count as events from before where level is not null
              union all
              select snapshot_no, old_level, -1, -old_count from before where old_level is not null)
       select snapshot_no, level, sum(users) as users, sum(events) as events from moved group by 1, 2`,
    `create temp table bulk_counts on commit drop as
       select n as snapshot_no, l.level, coalesce(sum(users) over w, 0) as users, coalesce(sum(events) over w, 0) as events
         from generate_series(0, ${snapshots - 1}) n cross join (values ('low'), ('medium'), ('high')) l (level)
         left join bulk_deltas d on d.snapshot_no = n and d.level = l.level window w as (partition by l.level order by n)`,
    `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count, carried_count, event_count, appeared, raised, lowered, cleared, returned)
       with totals as (select snapshot_no, sum(users)::integer as users, sum(events)::bigint as events from bulk_counts group by 1),
            begun as (
              select from_no as snapshot_no, count(*) filter (where is_first) as appeared,
                     count(*) filter (where not is_first and level_before is null) as returned,
                     count(*) filter (where ${rank('level')} > ${rank('level_before')}) as raised,
                     count(*) filter (where ${rank('level')} < ${rank('level_before')}) as lowered
                from bulk_periods group by 1),
            ended as (select until_no as snapshot_no, count(*) as cleared from bulk_periods where is_cleared group by 1)
       select ${key}, snapshot_no + 1 + before, ${at('snapshot_no')}, 'complete', snapshot_no = 0, users, users, 0, events,
              coalesce(appeared, 0), coalesce(raised, 0), coalesce(lowered, 0), coalesce(cleared, 0), coalesce(returned, 0)
         from totals left join begun using (snapshot_no) left join ended using (snapshot_no), bulk_ids order by snapshot_no`,
    `insert into risk.snapshot_levels (account_key, snapshot_id, max_risk_level, user_count, event_count)
       select ${key}, snapshot_no + 1 + before, level, users, events from bulk_counts, bulk_ids order by snapshot_no, level`,
    // Each run takes a minute, and every slot has a run. The test does not compare these rows with those of publishing.
    `insert into risk.sync_runs (account_key, run_id, trigger, scheduled_for, status, verdict, started_at, finished_at, host, passes, users_met, snapshot_id, feed_id)
       select account_key, nextval('risk_internal.run_ids'), 'cron', observed_at, 'succeeded', verdict, observed_at, observed_at + interval '1 minute',
              'bulk', 1, user_count, snapshot_id, snapshot_id
         from risk.snapshots where account_key = ${key} order by snapshot_id`,
    `insert into risk_internal.account_writers (account_key, last_user_key, last_snapshot_id)
       select ${key}, max(user_key), max(before) + ${snapshots} from risk.users, bulk_ids where account_key = ${key}`,
    `update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + ${snapshots} where account_key = 0`,
  ];
}
