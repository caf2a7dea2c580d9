select account_id, coalesce(label, account_id) as account, added_at, retired_at, is_retired
  from {{ source('risk_bi', 'accounts') }}
