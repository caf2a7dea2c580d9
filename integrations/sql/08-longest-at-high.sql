-- Who has been at high the longest, over all periods?
select coalesce(a.label, a.account_id) as account, t.user_id, t.duration, t.period_count, t.is_current
  from risk_bi.time_at_level t
  join risk_bi.accounts a using (account_id)
 where t.max_risk_level = 'high' and not t.is_account_retired
 order by t.duration desc, t.user_id
 limit 5
