-- How many users are at each level, day by day?
select coalesce(a.label, a.account_id) as account, d.day,
       sum(d.user_count) filter (where d.max_risk_level = 'low') as low,
       sum(d.user_count) filter (where d.max_risk_level = 'medium') as medium,
       sum(d.user_count) filter (where d.max_risk_level = 'high') as high,
       bool_and(d.is_observed) as is_observed
  from risk_bi.risk_level_daily d
  join risk_bi.accounts a using (account_id)
 where d.day > current_date - 7
 group by a.account_id, a.label, d.day
 order by account, a.account_id, d.day
