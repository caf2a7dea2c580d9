-- What differs between a week ago and now? Without accounts whose first load was not complete by then: it is not news.
with known as materialized (
  select account_id, account_label
    from risk_bi.accounts
   where not is_retired
     and account_id in (select account_id from risk_bi.snapshots
                         where verdict = 'complete' and observed_at <= now() - interval '7 days'))
select k.account_label as account, c.change, c.from_level, c.to_level, count(*) as users
  from known k
 cross join lateral risk_bi.compare(k.account_id, now() - interval '7 days', now()) c
 group by k.account_id, k.account_label, c.change, c.from_level, c.to_level
 order by account, k.account_id, users desc, c.change, c.from_level, c.to_level
