-- As it was, and two to five times faster: what has not changed since then is taken from the current state, and of the rest the
-- newest counters are mostly found by reading the day before the snapshot as a whole. One probe per user into a year of hourly
-- activity of 20,000 users took 360 to 480 ms (18,000 index pages), this 90 to 175 ms.
CREATE OR REPLACE FUNCTION "risk_bi"."users_as_of"(account_id text, at timestamptz)
RETURNS TABLE (user_id uuid, max_risk_level text, event_count integer, last_event timestamptz, snapshot_id bigint, observed_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  s bigint;
  t timestamptz;
BEGIN
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = users_as_of.account_id;
  SELECT p.snapshot_id, p.observed_at INTO s, t
    FROM risk.snapshots p
   WHERE p.account_key = k AND p.observed_at <= users_as_of.at
   ORDER BY p.observed_at DESC LIMIT 1;
  IF s IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH day_before AS MATERIALIZED (
    SELECT DISTINCT ON (p.user_key) p.user_key, p.event_count, p.last_event
      FROM risk.user_activity p
     WHERE p.account_key = k AND p.observed_at > t - interval '1 day' AND p.observed_at <= t
     ORDER BY p.user_key, p.observed_at DESC)
  SELECT u.user_id,
         CASE WHEN u.level_since <= t THEN u.max_risk_level ELSE l.max_risk_level END,
         CASE WHEN u.snapshot_id <= s THEN u.event_count ELSE coalesce(d.event_count, c.event_count) END,
         CASE WHEN u.snapshot_id <= s THEN u.last_event ELSE coalesce(d.last_event, c.last_event) END,
         s, t
    FROM risk.users u
    LEFT JOIN day_before d ON d.user_key = u.user_key
    -- The level of now has begun later, or there is none now.
    LEFT JOIN LATERAL (
      SELECT p.max_risk_level, p.valid_to FROM risk.user_levels p
       WHERE (u.level_since <= t) IS NOT TRUE
         AND p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (
      SELECT p.event_count, p.last_event FROM risk.user_activity p
       WHERE d.user_key IS NULL AND u.snapshot_id > s
         AND p.account_key = k AND p.user_key = u.user_key AND p.observed_at <= t
       ORDER BY p.observed_at DESC LIMIT 1) c ON true
   WHERE u.account_key = k
     AND (u.level_since <= t
       OR l.max_risk_level IS NOT NULL AND (l.valid_to IS NULL OR l.valid_to > t));
END;
$$;
