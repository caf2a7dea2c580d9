-- Who is at high now, and since when?
select coalesce(a.label, a.account_id) as account, u.user_id, u.level_since, u.event_count, u.last_event
  from risk_bi.users u
  join risk_bi.accounts a using (account_id)
 where u.max_risk_level = 'high' and not u.is_account_retired
 order by u.level_since desc, u.user_id
 limit 100
