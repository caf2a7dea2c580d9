select a.account_id, a.account, c.user_id, c.changed_at, c.changed_at::date as day, c.change, c.from_level, c.to_level,
       coalesce(t.rank, 0) - coalesce(f.rank, 0) as steps, c.snapshot_id
  from {{ ref('stg_risk__level_changes') }} c
  join {{ ref('stg_risk__accounts') }} a using (account_id)
  left join {{ ref('stg_risk__risk_levels') }} f on f.level = c.from_level
  left join {{ ref('stg_risk__risk_levels') }} t on t.level = c.to_level
