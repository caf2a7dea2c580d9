-- Who differs between two dates? Variables: account (text), from_date and to_date (date); change (text) is optional.
select c.change, c.from_level, c.to_level, c.user_id
  from risk_bi.compare({{account}}, {{from_date}}, {{to_date}}) c
 where true [[and c.change = {{change}}]]
 order by c.change, c.from_level, c.to_level, c.user_id
