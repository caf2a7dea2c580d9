select account_id, account_label as account, user_id, max_risk_level, level_rank, event_count, last_event, level_since,
       first_seen_at, absent_since, cleared_at, erased_at, is_present
  from {{ source('risk_bi', 'users') }}
 where not is_account_retired
