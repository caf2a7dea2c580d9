select account_id, account_label as account, day, max_risk_level, level_rank, user_count, share, event_count, is_observed,
       snapshot_id, observed_at, verdict
  from {{ source('risk_bi', 'risk_level_daily') }}
