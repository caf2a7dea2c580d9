-- A day shows exactly the three levels of its snapshot, and they add up to the users of that snapshot.
select d.account_id, d.day
  from {{ ref('risk_levels_daily') }} d
  join {{ ref('stg_risk__snapshots') }} s using (account_id, snapshot_id)
 group by d.account_id, d.day, s.user_count
having sum(d.user_count) <> s.user_count or count(*) <> 3
