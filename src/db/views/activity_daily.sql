-- active_users is its own subquery, so a query that does not select it does not compute it. It finds the day's activity
-- by the ids of the day's snapshots, because user_activity has an index on these ids. For Citus: GROUP BY in each
-- lateral subquery with aggregates, and see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.activity_daily WITH (security_invoker = true) AS
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
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
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
     GROUP BY p.account_key) s ON true;

COMMENT ON VIEW risk_bi.activity_daily IS 'What happened on each day, from the first snapshot to today, or to the day on which the account was retired. Only snapshot_count includes the first load (baseline). One row per account and day, zeros included.';
COMMENT ON COLUMN risk_bi.activity_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.activity_daily.day IS 'The day, in the session''s time zone. It has 23 or 25 hours when the clocks change.';
COMMENT ON COLUMN risk_bi.activity_daily.snapshot_count IS 'Number of snapshots on the day. If it is 0, the other zeros only mean that nothing was observed.';
COMMENT ON COLUMN risk_bi.activity_daily.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.activity_daily.raised IS 'How often a level rose.';
COMMENT ON COLUMN risk_bi.activity_daily.lowered IS 'How often a level fell.';
COMMENT ON COLUMN risk_bi.activity_daily.cleared IS 'How often a user was cleared.';
COMMENT ON COLUMN risk_bi.activity_daily.returned IS 'How often a cleared user came back.';
COMMENT ON COLUMN risk_bi.activity_daily.active_users IS 'Users whose event count or newest event changed on the day, including users who appeared or returned with new ones. A user counts once on each day: never add it up over time. This column reads the history of users, so select it for weeks rather than years. Null for a day that began before the activity is whole (risk_bi.retention).';
COMMENT ON COLUMN risk_bi.activity_daily.account_label IS 'The account''s label, or its id if it has no label.';
