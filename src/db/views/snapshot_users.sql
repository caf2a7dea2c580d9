-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard. In a distributed history, two accounts may have a snapshot with the same id: the second form needs the
-- account. Personal data has its own grant: by default, no role may execute these functions.
CREATE OR REPLACE FUNCTION risk_bi.snapshot_users(account_id text, snapshot_id bigint)
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
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = snapshot_users.account_id;
  SELECT p.observed_at INTO t
    FROM risk.snapshots p WHERE p.account_key = k AND p.snapshot_id = snapshot_users.snapshot_id;
  IF t IS NULL THEN
    RETURN;
  END IF;
  SELECT max(r.whole_since) INTO whole_since
    FROM risk.retention r WHERE r.account_key = k AND r.dataset IN ('activity', 'levels', 'identities');
  IF t < whole_since THEN
    RAISE EXCEPTION 'snapshot_users: the history of account % is whole since % only, and older rows were deleted', snapshot_users.account_id, whole_since
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

CREATE OR REPLACE FUNCTION risk_bi.snapshot_users(snapshot_id bigint)
RETURNS TABLE (
  user_id uuid, email text, name text, max_risk_level text, event_count integer, last_event timestamptz,
  level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  ids text[];
BEGIN
  SELECT array_agg(a.account_id) INTO ids
    FROM risk.snapshots p
    JOIN risk.accounts a ON a.account_key = p.account_key
   WHERE p.snapshot_id = snapshot_users.snapshot_id;
  IF cardinality(ids) > 1 THEN
    RAISE EXCEPTION 'snapshot % exists in % accounts', snapshot_users.snapshot_id, cardinality(ids)
      USING ERRCODE = 'cardinality_violation',
            HINT = 'This history is distributed. Call risk_bi.snapshot_users(account_id, snapshot_id).';
  END IF;
  RETURN QUERY SELECT u.* FROM risk_bi.snapshot_users(ids[1], snapshot_users.snapshot_id) u;
END
$$;

REVOKE ALL ON FUNCTION risk_bi.snapshot_users(text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION risk_bi.snapshot_users(bigint) FROM PUBLIC;

COMMENT ON FUNCTION risk_bi.snapshot_users(text, bigint) IS 'One snapshot of an account, rebuilt row by row: the six fields of every present user. Refuses with SQLSTATE ZT001 if rows of that time were deleted (risk_bi.retention). Personal data: needs its own grant.';
COMMENT ON FUNCTION risk_bi.snapshot_users(bigint) IS 'The same by the id alone. An error if several accounts have a snapshot of this id, which is possible in a distributed history only.';
