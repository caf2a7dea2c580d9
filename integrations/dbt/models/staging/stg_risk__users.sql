select account_id, user_id, max_risk_level, event_count, last_event, level_since, first_seen_at, absent_since, cleared_at, is_present
  from {{ source('risk_bi', 'users') }}
 where not is_account_retired
