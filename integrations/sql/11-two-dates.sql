-- What differs between a week ago and now? Without accounts whose first load was not complete by then: it is not news.
select a.account_label as account, c.change, c.from_level, c.to_level, count(*) as users
  from risk_bi.accounts a
 cross join lateral risk_bi.compare(a.account_id, now() - interval '7 days', now()) c
 where not a.is_retired
   and exists (select from risk_bi.snapshots s
                where s.account_id = a.account_id and s.verdict = 'complete' and s.observed_at <= now() - interval '7 days')
 group by a.account_id, a.account_label, c.change, c.from_level, c.to_level
 order by account, a.account_id, users desc, c.change, c.from_level, c.to_level
