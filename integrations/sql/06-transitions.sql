-- How often did users move from one level to another?
select t.from_level,
       coalesce(sum(t.change_count) filter (where t.to_level = 'none'), 0) as to_none,
       coalesce(sum(t.change_count) filter (where t.to_level = 'low'), 0) as to_low,
       coalesce(sum(t.change_count) filter (where t.to_level = 'medium'), 0) as to_medium,
       coalesce(sum(t.change_count) filter (where t.to_level = 'high'), 0) as to_high
  from risk_bi.level_transitions_daily t
  left join risk_bi.risk_levels l on l.level = t.from_level
 where t.day > current_date - 30
 group by t.from_level, l.rank
 order by l.rank nulls first
