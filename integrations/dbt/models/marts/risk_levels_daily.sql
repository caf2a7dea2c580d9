select account_id, account, day, max_risk_level, level_rank, user_count, share, event_count, is_observed, verdict, snapshot_id
  from {{ ref('stg_risk__level_daily') }}
