-- Who is at high now, and since when?
select account_label as account, user_id, level_since, event_count, last_event
  from risk_bi.users
 where max_risk_level = 'high' and not is_account_retired
 order by level_since desc, user_id
 limit 100
