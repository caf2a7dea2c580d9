select account_id, user_id, started_at, ended_at, from_level, ended_by, peak_event_count, duration_seconds, is_baseline
  from {{ source('risk_bi', 'high_risk_episodes') }}
