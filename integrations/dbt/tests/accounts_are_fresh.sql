-- `dbt source freshness` sees only the newest row of all accounts, but one account may stop while others go on.
{{ config(severity = 'warn') }}
select a.account_id, max(s.observed_at) as newest
  from {{ ref('stg_risk__accounts') }} a
  left join {{ ref('stg_risk__snapshots') }} s using (account_id)
 where not a.is_retired
 group by a.account_id
having max(s.observed_at) is null
    or max(s.observed_at) < now() - interval '{{ var("max_age_hours") }} hours'
