select account_id, account, user_id, changed_at, changed_at::date as day, change, from_level, to_level,
       coalesce(to_level_rank, 0) - coalesce(from_level_rank, 0) as steps, snapshot_id
  from {{ ref('stg_risk__level_changes') }}
