-- Who was cleared and came back, and after how long?
select coalesce(a.label, a.account_id) as account, r.user_id,
       r.level_before, r.cleared_at, r.returned_at, r.away, r.level_after
  from risk_bi.returned_users r
  join risk_bi.accounts a using (account_id)
 where r.returned_at > now() - interval '30 days'
 order by r.returned_at desc, r.user_id
 limit 100
