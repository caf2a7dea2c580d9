-- Who differs between two dates? Template parameters: {"account": "<account id>", "from_date": "2026-03-01", "to_date": "2026-03-08"}
select c.change, c.from_level, c.to_level, c.user_id
  from risk_bi.compare('{{ account }}', '{{ from_date }}', '{{ to_date }}') c
 order by c.change, c.from_level, c.to_level, c.user_id
