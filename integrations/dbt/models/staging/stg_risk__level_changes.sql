select account_id, account_label as account, user_id, changed_at, from_level, to_level, from_level_rank, to_level_rank, change,
       snapshot_id
  from {{ source('risk_bi', 'level_changes') }}
