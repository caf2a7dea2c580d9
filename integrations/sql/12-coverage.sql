-- Can the figures be trusted?
select account_label as account, day, complete_count, partial_count, failed_count,
       slot_succeeded_count as slots_done, expected_slot_count as of_slots,
       round((largest_gap_seconds / 3600)::numeric, 1) as largest_gap_hours
  from risk_bi.sync_coverage
 where day > current_date - 7
 order by account, account_id, day
