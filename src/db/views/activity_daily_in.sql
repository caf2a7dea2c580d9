-- The query of the view activity_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.activity_daily_in(time_zone text)
RETURNS TABLE (
  account_id text, day date, snapshot_count integer, appeared integer, raised integer, lowered integer,
  cleared integer, returned integer, active_users integer, account_label text)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         s.snapshot_count,
         s.appeared,
         s.raised,
         s.lowered,
         s.cleared,
         s.returned,
         CASE WHEN w.whole_since > d.starts_at THEN NULL ELSE
           (SELECT count(DISTINCT c.user_key)::integer
              FROM risk.user_activity c
             WHERE c.account_key = a.account_key AND c.snapshot_id >= s.first_news AND c.snapshot_id <= s.last_news) END AS active_users,
           coalesce(a.label, a.account_id) AS account_label
    FROM risk.accounts a
    LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
    CROSS JOIN LATERAL (
      SELECT min(f.observed_at) AS first_at FROM risk.snapshots f WHERE f.account_key = a.account_key) b
    CROSS JOIN LATERAL (
      SELECT g::date AS day,
             CASE WHEN ((g AT TIME ZONE time_zone - interval '1 hour') AT TIME ZONE time_zone)::date = g::date
                  THEN g AT TIME ZONE time_zone - interval '1 hour'
                  ELSE g AT TIME ZONE time_zone END AS starts_at,
             CASE WHEN (((g + interval '1 day') AT TIME ZONE time_zone - interval '1 hour') AT TIME ZONE time_zone)::date
                       = (g + interval '1 day')::date
                  THEN (g + interval '1 day') AT TIME ZONE time_zone - interval '1 hour'
                  ELSE (g + interval '1 day') AT TIME ZONE time_zone END AS ends_at
        FROM generate_series(date_trunc('day', b.first_at AT TIME ZONE time_zone),
                             least(now(), a.retired_at) AT TIME ZONE time_zone,
                             interval '1 day') g
      OFFSET 0) d
    CROSS JOIN LATERAL (
      SELECT count(*)::integer AS snapshot_count,
             coalesce(sum(p.appeared) FILTER (WHERE NOT p.is_baseline), 0)::integer AS appeared,
             coalesce(sum(p.raised) FILTER (WHERE NOT p.is_baseline), 0)::integer AS raised,
             coalesce(sum(p.lowered) FILTER (WHERE NOT p.is_baseline), 0)::integer AS lowered,
             coalesce(sum(p.cleared) FILTER (WHERE NOT p.is_baseline), 0)::integer AS cleared,
             coalesce(sum(p.returned) FILTER (WHERE NOT p.is_baseline), 0)::integer AS returned,
             min(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS first_news,
             max(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS last_news
        FROM risk.snapshots p
       WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at) s;
END;

COMMENT ON FUNCTION risk_bi.activity_daily_in(text) IS 'Like the view activity_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone.';
