-- Whose level differs between the ends of two days? Template parameters: {"account": "<account id>", "from_date": "2026-03-01", "to_date": "2026-03-08"}
select c.change, c.from_level, c.to_level, c.user_id
  from risk_bi.compare('{{ account }}',
         ('{{ from_date }}'::date + 1)::timestamptz - interval '1 microsecond',
         ('{{ to_date }}'::date + 1)::timestamptz - interval '1 microsecond') c
 order by c.change, c.from_level, c.to_level, c.user_id
