-- Whose level differs between the ends of two days? Variables: account (text), from_date and to_date (date); change (text) is optional.
select c.change, c.from_level, c.to_level, c.user_id
  from risk_bi.compare({{account}},
         ({{from_date}}::date + 1)::timestamptz - interval '1 microsecond',
         ({{to_date}}::date + 1)::timestamptz - interval '1 microsecond') c
 where true [[and c.change = {{change}}]]
 order by c.change, c.from_level, c.to_level, c.user_id
