-- Who was cleared and came back, and after how long?
select account_label as account, user_id, level_before, cleared_at, returned_at,
       round((away_seconds / 86400)::numeric, 1) as days_away, level_after
  from risk_bi.returned_users
 where returned_at > now() - interval '30 days'
 order by returned_at desc, user_id
 limit 100
