-- Is the share of users at high rising? Each row shows the end of a week.
select account_label as account, week_start, user_count as high, round(100 * share::numeric, 2) as percent
  from risk_bi.risk_level_weekly
 where max_risk_level = 'high' and week_start > current_date - 56
 order by account, account_id, week_start
