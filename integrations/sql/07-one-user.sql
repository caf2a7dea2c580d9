-- What is the history of one user? The inner query takes the user with the most changes: put two ids in its place.
select h.valid_from, h.valid_to, h.max_risk_level, h.change, h.end_reason,
       round((h.duration_seconds / 86400)::numeric, 1) as days
  from risk_bi.user_level_history h
 where (h.account_id, h.user_id) = (
         select account_id, user_id from risk_bi.level_changes
          group by account_id, user_id order by count(*) desc, user_id limit 1)
 order by h.valid_from
