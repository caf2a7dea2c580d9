select account_id, user_id, changed_at, from_level, to_level, change, snapshot_id
  from {{ source('risk_bi', 'level_changes') }}
