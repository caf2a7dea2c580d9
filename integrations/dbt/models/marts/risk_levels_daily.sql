select a.account_id, a.account, d.day, d.max_risk_level, l.rank as level_rank, d.user_count, d.share, d.event_count,
       d.is_observed, d.verdict, d.snapshot_id
  from {{ ref('stg_risk__level_daily') }} d
  join {{ ref('stg_risk__accounts') }} a using (account_id)
  join {{ ref('stg_risk__risk_levels') }} l on l.level = d.max_risk_level
