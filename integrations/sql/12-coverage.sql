-- Can the figures be trusted?
select coalesce(a.label, a.account_id) as account, c.day, c.complete_count, c.partial_count, c.failed_count,
       c.slot_succeeded_count as slots_done, c.expected_slot_count as of_slots, c.largest_gap
  from risk_bi.sync_coverage c
  join risk_bi.accounts a using (account_id)
 where c.day > current_date - 7
 order by account, a.account_id, c.day
