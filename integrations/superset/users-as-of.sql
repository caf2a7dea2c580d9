-- Who was at which level at the end of a day? Template parameters: {"account": "<account id>", "date": "2026-03-01"}
select u.user_id, u.max_risk_level, u.event_count, u.last_event, u.observed_at
  from risk_bi.users_as_of('{{ account }}', ('{{ date }}'::date + 1)::timestamptz - interval '1 microsecond') u
 order by u.level_rank desc, u.event_count desc, u.user_id
