-- How many users are at each level, day by day?
select account_label as account, day,
       sum(user_count) filter (where max_risk_level = 'low') as low,
       sum(user_count) filter (where max_risk_level = 'medium') as medium,
       sum(user_count) filter (where max_risk_level = 'high') as high,
       bool_and(is_observed) as is_observed
  from risk_bi.risk_level_daily
 where day > current_date - 7
 group by account_id, account_label, day
 order by account, account_id, day
