-- The query of the view risk_level_hourly, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the hour reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_hourly_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, hour timestamptz, max_risk_level text, user_count integer, share double precision,
  event_count bigint, is_observed boolean, snapshot_id bigint, observed_at timestamptz, verdict text,
  account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.hour,
         l.max_risk_level,
         l.user_count,
         l.user_count::double precision / nullif(s.user_count, 0) AS share,
         l.event_count,
         s.observed_at >= d.hour AS is_observed,
         s.snapshot_id,
         s.observed_at,
         s.verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.hours(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               from_at),
      least(here.now, a.retired_at, to_at), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.hour + interval '1 hour')
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.risk_level_hourly_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_hourly, but with hours in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the hours from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
