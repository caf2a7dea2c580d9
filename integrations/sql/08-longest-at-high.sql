-- Who has been at high the longest, over all periods?
select account_label as account, user_id, round((duration_seconds / 86400)::numeric, 1) as days, period_count, is_current
  from risk_bi.time_at_level
 where max_risk_level = 'high' and not is_account_retired
 order by duration_seconds desc, user_id
 limit 5
