-- The query of the view risk_level_monthly, in a given time zone. Change both together. It is SQL, STABLE and without a
-- SET clause, so PostgreSQL inlines it, and a filter on the account or the month reaches the tables. Citus does not
-- inline it: there, the arguments with defaults take the place of the filter. BEGIN ATOMIC resolves names once, when
-- the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_monthly_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, month_start date, max_risk_level text, user_count integer, share double precision,
  event_count bigint, average_user_count double precision, average_share double precision,
  average_event_count double precision, day_count integer, observed_day_count integer, is_observed boolean,
  snapshot_id bigint, observed_at timestamptz, verdict text, account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         date_trunc('month', d.day::timestamp)::date AS month_start,
         l.max_risk_level,
         (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
         (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
         (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
         sum(l.user_count)::double precision / count(*) AS average_user_count,
         sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
         sum(l.event_count)::double precision / count(*) AS average_event_count,
         count(*)::integer AS day_count,
         count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
         bool_or(s.observed_at >= d.starts_at) AS is_observed,
         max(s.snapshot_id) AS snapshot_id,
         max(s.observed_at) AS observed_at,
         (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               date_trunc('month', from_at, time_zone)),
      least(here.now, a.retired_at, date_trunc('month', to_at, time_zone) + interval '1 month' - interval '12 hours'), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids))
   GROUP BY a.account_key, a.account_id, a.label, date_trunc('month', d.day::timestamp)::date, l.max_risk_level;
END;

COMMENT ON FUNCTION risk_bi.risk_level_monthly_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_monthly, but with months in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the months from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
