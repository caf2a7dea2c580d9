select account_id, snapshot_id, observed_at, verdict, expected_unseen, is_baseline, user_count, carried_count
  from {{ source('risk_bi', 'snapshots') }}
