select account_id, user_id, valid_from, valid_to, max_risk_level, change, end_reason, duration_seconds, is_baseline
  from {{ source('risk_bi', 'user_level_history') }}
