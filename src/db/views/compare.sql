-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard.
CREATE OR REPLACE FUNCTION risk_bi.compare(account_id text, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (user_id uuid, change text, from_level text, to_level text, from_level_rank integer, to_level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t1 timestamptz;
  t2 timestamptz;
  whole_since timestamptz;
BEGIN
  IF compare.from_at > compare.to_at THEN
    RAISE EXCEPTION 'compare: from_at is later than to_at' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = compare.account_id;
  SELECT max(p.observed_at) INTO t1 FROM risk.snapshots p WHERE p.account_key = k AND p.observed_at <= compare.from_at;
  SELECT max(p.observed_at) INTO t2 FROM risk.snapshots p WHERE p.account_key = k AND p.observed_at <= compare.to_at;
  IF t2 IS NULL THEN
    RETURN;
  END IF;
  SELECT r.whole_since INTO whole_since FROM risk.retention r WHERE r.account_key = k AND r.dataset = 'levels';
  -- Before the first snapshot no user was present. Retention never changes that.
  IF coalesce(t1, t2) < whole_since THEN
    RAISE EXCEPTION 'compare: the history of account % is whole since % only, and older rows were deleted', compare.account_id, whole_since
      USING ERRCODE = 'ZT001', DETAIL = to_char(whole_since AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), HINT = 'risk_bi.retention says since when each part of the history is whole.';
  END IF;
  t1 := coalesce(t1, '-infinity');
  RETURN QUERY
  SELECT c.user_id,
         CASE WHEN c.level_at_from IS NULL AND c.first_seen_at > t1 THEN 'appeared'
              WHEN c.level_at_from IS NULL THEN 'returned'
              WHEN c.level_at_to IS NULL THEN 'cleared'
              WHEN array_position(array['low', 'medium', 'high'], c.level_at_to)
                 > array_position(array['low', 'medium', 'high'], c.level_at_from) THEN 'raised'
              ELSE 'lowered' END,
         c.level_at_from,
         c.level_at_to,
         array_position(ARRAY['low', 'medium', 'high'], c.level_at_from),
         array_position(ARRAY['low', 'medium', 'high'], c.level_at_to)
    FROM (
      -- A user without a new period in between is in the same period at both instants, and needs no second lookup.
      SELECT u.user_id, u.first_seen_at,
             CASE WHEN y.valid_from > t1 THEN CASE WHEN x.valid_to > t1 THEN x.max_risk_level END
                  WHEN y.valid_to IS NULL OR y.valid_to > t1 THEN y.max_risk_level END AS level_at_from,
             CASE WHEN y.valid_to IS NULL OR y.valid_to > t2 THEN y.max_risk_level END AS level_at_to
        FROM risk.users u
        CROSS JOIN LATERAL (
          SELECT p.valid_from, p.valid_to, p.max_risk_level FROM risk.user_levels p
           WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t2
           ORDER BY p.valid_from DESC LIMIT 1) y
        LEFT JOIN LATERAL (
          SELECT p.valid_to, p.max_risk_level FROM risk.user_levels p
           WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t1 AND y.valid_from > t1
           ORDER BY p.valid_from DESC LIMIT 1) x ON true
       WHERE u.account_key = k) c
   WHERE c.level_at_from IS DISTINCT FROM c.level_at_to;
END
$$;

COMMENT ON FUNCTION risk_bi.compare(text, timestamptz, timestamptz) IS 'Users whose level differs between two instants. Each instant stands for the newest snapshot at or before it. change is appeared (not known before from_at), raised, lowered, cleared, or returned (known before, but not present at from_at). Before the first snapshot nobody is present. Refuses with SQLSTATE ZT001 if rows of the earlier instant were deleted (risk_bi.retention). No personal data.';
