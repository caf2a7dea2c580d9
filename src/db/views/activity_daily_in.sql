-- The query of the view activity_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.activity_daily_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, day date, snapshot_count integer, appeared integer, raised integer, lowered integer,
  cleared integer, returned integer, active_users integer, account_label text)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         coalesce(s.snapshot_count, 0) AS snapshot_count,
         coalesce(s.appeared, 0) AS appeared,
         coalesce(s.raised, 0) AS raised,
         coalesce(s.lowered, 0) AS lowered,
         coalesce(s.cleared, 0) AS cleared,
         coalesce(s.returned, 0) AS returned,
         CASE WHEN w.whole_since > d.starts_at THEN NULL ELSE
           (SELECT count(DISTINCT c.user_key)::integer
              FROM risk.user_activity c
             WHERE c.account_key = a.account_key AND c.snapshot_id >= s.first_news AND c.snapshot_id <= s.last_news) END AS active_users,
         coalesce(a.label, a.account_id) AS account_label
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               from_at),
      least(here.now, a.retired_at, to_at), here.time_zone) d
    LEFT JOIN LATERAL (
      SELECT p.account_key,
             count(*)::integer AS snapshot_count,
             (sum(p.appeared) FILTER (WHERE NOT p.is_baseline))::integer AS appeared,
             (sum(p.raised) FILTER (WHERE NOT p.is_baseline))::integer AS raised,
             (sum(p.lowered) FILTER (WHERE NOT p.is_baseline))::integer AS lowered,
             (sum(p.cleared) FILTER (WHERE NOT p.is_baseline))::integer AS cleared,
             (sum(p.returned) FILTER (WHERE NOT p.is_baseline))::integer AS returned,
             min(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS first_news,
             max(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS last_news
        FROM risk.snapshots p
       WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at
       GROUP BY p.account_key) s ON true
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids))
     -- Without this, an account without a snapshot would have days if from_at is given.
     AND EXISTS (SELECT FROM risk.snapshots f WHERE f.account_key = a.account_key);
END;

COMMENT ON FUNCTION risk_bi.activity_daily_in(text, text[], timestamptz, timestamptz) IS 'Like the view activity_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
