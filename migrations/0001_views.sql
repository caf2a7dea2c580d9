-- The reading side: schema risk_bi, and the one row of the feed clock.
CREATE SCHEMA IF NOT EXISTS "risk_bi";
--> statement-breakpoint
INSERT INTO "risk_internal"."feed_clock" ("id", "last_snapshot_id") VALUES (1, 0);
--> statement-breakpoint
CREATE VIEW "risk_bi"."users" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       u.max_risk_level,
       u.event_count,
       u.last_event,
       u.level_since,
       u.first_seen_at,
       u.absent_since,
       u.cleared_at,
       u.max_risk_level IS NOT NULL AS is_present
  FROM risk.users u
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
CREATE VIEW "risk_bi"."risk_level_by_snapshot" WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       l.max_risk_level,
       l.user_count,
       s.verdict
  FROM risk.snapshots s
  JOIN risk.snapshot_levels l USING (account_key, snapshot_id)
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
-- plpgsql that resolves account_key first: Citus then routes the query to one shard, and the planner knows the key.
CREATE FUNCTION "risk_bi"."users_as_of"(account_id text, at timestamptz)
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
  SELECT u.user_id, l.max_risk_level, c.event_count, c.last_event, s, t
    FROM risk.users u
    CROSS JOIN LATERAL (
      SELECT p.max_risk_level, p.valid_to FROM risk.user_levels p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) l
    CROSS JOIN LATERAL (
      SELECT p.event_count, p.last_event FROM risk.user_activity p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.observed_at <= t
       ORDER BY p.observed_at DESC LIMIT 1) c
   WHERE u.account_key = k AND (l.valid_to IS NULL OR l.valid_to > t);
END
$$;
--> statement-breakpoint
CREATE FUNCTION "risk_bi"."snapshot_users"(snapshot_id bigint)
RETURNS TABLE (user_id uuid, email text, name text, max_risk_level text, event_count integer, last_event timestamptz)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t timestamptz;
BEGIN
  SELECT p.account_key, p.observed_at INTO k, t
    FROM risk.snapshots p WHERE p.snapshot_id = snapshot_users.snapshot_id;
  IF k IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT u.user_id, i.email, i.name, l.max_risk_level, c.event_count, c.last_event
    FROM risk.users u
    CROSS JOIN LATERAL (
      SELECT p.max_risk_level, p.valid_to FROM risk.user_levels p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) l
    CROSS JOIN LATERAL (
      SELECT p.event_count, p.last_event FROM risk.user_activity p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.observed_at <= t
       ORDER BY p.observed_at DESC LIMIT 1) c
    CROSS JOIN LATERAL (
      SELECT p.email, p.name FROM risk.user_identities p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) i
   WHERE u.account_key = k AND (l.valid_to IS NULL OR l.valid_to > t);
END
$$;
--> statement-breakpoint
-- PII has its own grant: nobody executes this by default.
REVOKE ALL ON FUNCTION "risk_bi"."snapshot_users"(bigint) FROM PUBLIC;
