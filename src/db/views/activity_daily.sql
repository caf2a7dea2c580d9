-- active_users is its own subquery, so a query that does not select it does not pay for it. It finds the day's activity
-- by the ids of the day's snapshots, because user_activity has an index on these ids.
-- The CASE: when the clocks are set back over midnight, midnight comes twice, and the day begins at the first one.
-- OFFSET 0: PostgreSQL computes this once per day, not once per row that is compared with it.
CREATE OR REPLACE VIEW risk_bi.activity_daily WITH (security_invoker = true) AS
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
           CASE WHEN (g::timestamptz - interval '1 hour')::date = g::date THEN g::timestamptz - interval '1 hour' ELSE g::timestamptz END AS starts_at,
           CASE WHEN ((g + interval '1 day')::timestamptz - interval '1 hour')::date = (g + interval '1 day')::date THEN (g + interval '1 day')::timestamptz - interval '1 hour' ELSE (g + interval '1 day')::timestamptz END AS ends_at
      FROM generate_series(date_trunc('day', b.first_at::timestamp), least(now(), a.retired_at)::timestamp, interval '1 day') g
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
