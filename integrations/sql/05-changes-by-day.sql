-- What happened on each day? If snapshot_count is 0, the zeros mean that no snapshot was taken.
select account_label as account, day, snapshot_count, appeared, raised, lowered, cleared, returned
  from risk_bi.activity_daily
 where day > current_date - 7
 order by account, account_id, day
