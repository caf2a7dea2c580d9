-- Is the share of users at high rising? Each row shows the end of a week.
select distinct on (a.account_id, t.week_start)
       coalesce(a.label, a.account_id) as account, t.week_start, d.user_count as high,
       round(100 * d.share::numeric, 2) as percent
  from risk_bi.risk_level_daily d
  join risk_bi.dates t using (day)
  join risk_bi.accounts a using (account_id)
 where d.max_risk_level = 'high' and d.day > current_date - 56
 order by a.account_id, t.week_start, d.day desc
