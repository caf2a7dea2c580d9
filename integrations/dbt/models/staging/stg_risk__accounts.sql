select account_id, account_label as account, added_at, retired_at, is_retired
  from {{ source('risk_bi', 'accounts') }}
