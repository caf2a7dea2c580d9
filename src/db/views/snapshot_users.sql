-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard.
-- Personal data has its own grant: by default, nobody may execute this function.
CREATE OR REPLACE FUNCTION risk_bi.snapshot_users(snapshot_id bigint)
RETURNS TABLE (
  user_id uuid, email text, name text, max_risk_level text, event_count integer, last_event timestamptz,
  level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t timestamptz;
  whole_since timestamptz;
BEGIN
  SELECT p.account_key, p.observed_at INTO k, t
    FROM risk.snapshots p WHERE p.snapshot_id = snapshot_users.snapshot_id;
  IF k IS NULL THEN
    RETURN;
  END IF;
  SELECT max(r.whole_since) INTO whole_since
    FROM risk.retention r WHERE r.account_key = k AND r.dataset IN ('activity', 'levels', 'identities');
  IF t < whole_since THEN
    RAISE EXCEPTION 'snapshot_users: the history of account % is whole since % only, and older rows were deleted', (SELECT a.account_id FROM risk.accounts a WHERE a.account_key = k), whole_since
      USING ERRCODE = 'ZT001', DETAIL = to_char(whole_since AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), HINT = 'risk_bi.retention says since when each part of the history is whole.';
  END IF;
  RETURN QUERY
  SELECT u.user_id, i.email, i.name, l.max_risk_level, c.event_count, c.last_event,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level)
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

REVOKE ALL ON FUNCTION risk_bi.snapshot_users(bigint) FROM PUBLIC;

COMMENT ON FUNCTION risk_bi.snapshot_users(bigint) IS 'One snapshot, rebuilt row by row: the six fields of every present user. Refuses with SQLSTATE ZT001 if rows of that time were deleted (risk_bi.retention). Personal data: needs its own grant.';
