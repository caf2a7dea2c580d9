-- How often did users move from one level to another?
select from_level,
       coalesce(sum(change_count) filter (where to_level = 'none'), 0) as to_none,
       coalesce(sum(change_count) filter (where to_level = 'low'), 0) as to_low,
       coalesce(sum(change_count) filter (where to_level = 'medium'), 0) as to_medium,
       coalesce(sum(change_count) filter (where to_level = 'high'), 0) as to_high
  from risk_bi.level_transitions_daily
 where day > current_date - 30
 group by from_level, from_level_rank
 order by from_level_rank
