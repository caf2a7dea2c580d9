-- For tools that draw a calendar or must show days without a row: they join with this view.
CREATE OR REPLACE VIEW risk_bi.dates WITH (security_invoker = true) AS
SELECT d.day,
       extract(year FROM d.day)::integer AS year,
       extract(quarter FROM d.day)::integer AS quarter,
       extract(month FROM d.day)::integer AS month,
       to_char(d.day, 'FMMonth') AS month_name,
       extract(day FROM d.day)::integer AS day_of_month,
       extract(isoyear FROM d.day)::integer AS iso_year,
       extract(week FROM d.day)::integer AS iso_week,
       extract(isodow FROM d.day)::integer AS iso_weekday,
       to_char(d.day, 'FMDay') AS weekday_name,
       extract(isodow FROM d.day) > 5 AS is_weekend,
       d.day - (extract(isodow FROM d.day)::integer - 1) AS week_start,
       d.day - (extract(day FROM d.day)::integer - 1) AS month_start
  FROM (SELECT date '2020-01-01' + g AS day FROM generate_series(0, 11322) g) d;

COMMENT ON VIEW risk_bi.dates IS 'The days from 2020 to 2050, to join with the day of other views. One row per day.';
COMMENT ON COLUMN risk_bi.dates.day IS 'The day.';
COMMENT ON COLUMN risk_bi.dates.year IS 'Year.';
COMMENT ON COLUMN risk_bi.dates.quarter IS 'Quarter, 1 to 4.';
COMMENT ON COLUMN risk_bi.dates.month IS 'Month, 1 to 12.';
COMMENT ON COLUMN risk_bi.dates.month_name IS 'Month in English.';
COMMENT ON COLUMN risk_bi.dates.day_of_month IS 'Day of the month, 1 to 31.';
COMMENT ON COLUMN risk_bi.dates.iso_year IS 'Year that the ISO week belongs to.';
COMMENT ON COLUMN risk_bi.dates.iso_week IS 'ISO week, 1 to 53.';
COMMENT ON COLUMN risk_bi.dates.iso_weekday IS '1 (Monday) to 7 (Sunday).';
COMMENT ON COLUMN risk_bi.dates.weekday_name IS 'Day of the week in English.';
COMMENT ON COLUMN risk_bi.dates.is_weekend IS 'Saturday or Sunday.';
COMMENT ON COLUMN risk_bi.dates.week_start IS 'Monday of the week.';
COMMENT ON COLUMN risk_bi.dates.month_start IS 'First day of the month.';
