-- active_users is a subquery of its own: a query that does not select it does not pay for it. It finds the day's
-- activity by the ids of the day's snapshots, because user_activity has an index on those. Midnight that comes twice
-- (clocks set back over it) is the first of the two: hence the CASE. OFFSET 0: it is worked out once per day, not
-- once per row that is compared with it.
CREATE OR REPLACE VIEW risk_bi.activity_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       s.snapshot_count,
       s.appeared,
       s.raised,
       s.lowered,
       s.cleared,
       s.returned,
       (SELECT count(DISTINCT c.user_key)::integer
          FROM risk.user_activity c
         WHERE c.account_key = a.account_key AND c.snapshot_id >= s.first_news AND c.snapshot_id <= s.last_news) AS active_users
  FROM risk.accounts a
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

COMMENT ON VIEW risk_bi.activity_daily IS 'What happened on every day, from the first snapshot until today or the day on which the account was retired; the first load (baseline) left out of all counts but snapshot_count. One row per account and day, zeros included.';
COMMENT ON COLUMN risk_bi.activity_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.activity_daily.day IS 'The day in the session''s time zone; 23 or 25 hours long when clocks are changed.';
COMMENT ON COLUMN risk_bi.activity_daily.snapshot_count IS 'Snapshots of the day. 0: the zeros beside it mean that nobody looked.';
COMMENT ON COLUMN risk_bi.activity_daily.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.activity_daily.raised IS 'Times that a level rose.';
COMMENT ON COLUMN risk_bi.activity_daily.lowered IS 'Times that a level fell.';
COMMENT ON COLUMN risk_bi.activity_daily.cleared IS 'Times that a user was cleared.';
COMMENT ON COLUMN risk_bi.activity_daily.returned IS 'Times that a user came back.';
COMMENT ON COLUMN risk_bi.activity_daily.active_users IS 'Users whose event count or newest event changed, or who came with new ones. Reads the history of users: select it for spans of weeks rather than years.';
