-- Who was at which level at the end of a day? Variables: account (text), date (date); level (text) is optional.
select u.user_id, u.max_risk_level, u.event_count, u.last_event, u.observed_at
  from risk_bi.users_as_of({{account}}, ({{date}}::date + 1)::timestamptz - interval '1 microsecond') u
 where true [[and u.max_risk_level = {{level}}]]
 order by u.level_rank desc, u.event_count desc, u.user_id
