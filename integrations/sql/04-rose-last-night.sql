-- Who rose in the last 24 hours, or appeared or returned with a level above low?
select account_label as account, changed_at, user_id, change, from_level, to_level
  from risk_bi.level_changes
 where changed_at > now() - interval '24 hours'
   and (change = 'raised' or change in ('appeared', 'returned') and to_level_rank > 1)
 order by to_level_rank desc, changed_at desc, user_id
 limit 100
