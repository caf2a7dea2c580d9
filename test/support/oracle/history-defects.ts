// Queries that return a row for everything that no history may hold. Each returns account_key. They share nothing with
// src/.

/** What is wrong, and the query that finds it. */
export const HISTORY_DEFECTS: Record<string, string> = {
  'two level periods of a user overlap': overlap('risk.user_levels'),
  'two identities of a user overlap': overlap('risk.user_identities'),
  'an identity ends, and the next one does not begin at that instant': `
    select * from (select p.*, lead(valid_from) over w as next from risk.user_identities p
      window w as (partition by account_key, user_key order by valid_from)) p where valid_to is distinct from next`,
  'a level changed, and the next period does not continue it': `
    select * from (select p.*, lead(valid_from) over w as next, lead(previous_level) over w as next_previous,
        lead(change) over w as next_change
      from risk.user_levels p window w as (partition by account_key, user_key order by valid_from)) p
     where end_reason = 'changed' and (next is distinct from valid_to or next_previous is distinct from max_risk_level
        or next_change not in ('raised', 'lowered'))`,
  'the period after a clear is not a return': `
    select * from (select p.*, lead(change) over w as next_change
      from risk.user_levels p window w as (partition by account_key, user_key order by valid_from)) p
     where end_reason in ('absent', 'reset') and coalesce(next_change, 'returned') <> 'returned'`,
  'a cleared period has no absent_since, or a changed one has': `
    select * from risk.user_levels where (end_reason in ('absent', 'reset')) is distinct from (absent_since is not null)
       and end_reason is not null`,
  'a reset has no last_reset_time, or another end has one': `
    select * from risk.user_levels where (end_reason is not distinct from 'reset') <> (last_reset_time is not null)`,
  'a first period is not an appearance, or a later one is': `
    select * from (select p.*, row_number() over w as place
      from risk.user_levels p window w as (partition by account_key, user_key order by valid_from)) p
     where (place = 1) <> (change = 'appeared')`,
  'an activity row that changes nothing': `
    select * from (select p.*, lag(event_count) over w as before_count, lag(last_event) over w as before_event
      from risk.user_activity p window w as (partition by account_key, user_key order by observed_at)) p
     where (event_count, last_event) = (before_count, before_event)`,
  'a row has a snapshot_id that is no snapshot of its account': [
    'users',
    'user_levels',
    'user_identities',
    'user_activity',
  ]
    .map(
      // Joins, because Citus refuses several NOT EXISTS in one query.
      (table) => `select t.account_key, t.user_key from risk.${table} t
        left join risk.snapshots s on s.account_key = t.account_key and s.snapshot_id = t.snapshot_id
        left join risk.users e on e.account_key = t.account_key and e.user_key = t.user_key
        left join risk_internal.identity_modes m on m.account_key = t.account_key
       where s.snapshot_id is null
         and not (e.erased_at is not null and '${table}' in ('users', 'user_identities'))
         and not (m.since is not null and '${table}' = 'user_identities')`,
    )
    .join(' union all '),
  'a user without exactly one open identity': `
    select u.account_key, u.user_key from risk.users u left join risk.user_identities i
        on i.account_key = u.account_key and i.user_key = u.user_key and i.valid_to is null
     group by u.account_key, u.user_key having count(i.user_key) <> 1`,
  'snapshots whose order by id is not their order by time': `
    select * from (select s.*, lag(observed_at) over (partition by account_key order by snapshot_id) as before
      from risk.snapshots s) s where observed_at <= before`,
  'a lease or staged rows that outlived the run': `
    select account_key from risk_internal.leases union all select account_key from risk_internal.staged_changes`,
};

function overlap(table: string): string {
  return `select a.* from ${table} a join ${table} b using (account_key, user_key)
    where a.valid_from < b.valid_from and coalesce(a.valid_to, 'infinity') > b.valid_from`;
}
