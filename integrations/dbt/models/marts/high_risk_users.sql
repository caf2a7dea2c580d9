select u.account_id, u.account, u.user_id, u.level_since, u.event_count, u.last_event, u.absent_since,
       e.episode_count, e.total_seconds, e.peak_event_count
  from {{ ref('stg_risk__users') }} u
  join (select account_id, user_id, count(*) as episode_count, sum(duration_seconds) as total_seconds,
               max(peak_event_count) as peak_event_count
          from {{ ref('stg_risk__high_risk_episodes') }}
         group by account_id, user_id) e using (account_id, user_id)
 where u.max_risk_level = 'high'
