-- Who rose in the last 24 hours, or appeared or returned with a level above low?
select coalesce(a.label, a.account_id) as account, c.changed_at, c.user_id, c.change, c.from_level, c.to_level
  from risk_bi.level_changes c
  join risk_bi.risk_levels l on l.level = c.to_level
  join risk_bi.accounts a using (account_id)
 where c.changed_at > now() - interval '24 hours'
   and (c.change = 'raised' or c.change in ('appeared', 'returned') and l.rank > 1)
 order by l.rank desc, c.changed_at desc, c.user_id
 limit 100
