-- How do periods at high end, and after how long? Without the first load: its periods may have begun earlier.
select coalesce(e.ended_by, 'lasts') as ended_by,
       count(*) as episodes,
       round((percentile_cont(0.5) within group (order by e.duration_seconds) / 86400)::numeric, 1) as median_days
  from risk_bi.high_risk_episodes e
 where e.started_at > now() - interval '90 days' and not e.is_baseline and not e.is_account_retired
 group by e.ended_by
 order by episodes desc, ended_by
