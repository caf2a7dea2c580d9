-- What happened on each day? If snapshot_count is 0, the zeros mean that no snapshot was taken.
select coalesce(a.label, a.account_id) as account, d.day, d.snapshot_count,
       d.appeared, d.raised, d.lowered, d.cleared, d.returned
  from risk_bi.activity_daily d
  join risk_bi.accounts a using (account_id)
 where d.day > current_date - 7
 order by account, a.account_id, d.day
