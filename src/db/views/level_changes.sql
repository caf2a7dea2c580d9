-- The snapshot of a change is found by its instant, because a period carries the id of the snapshot that wrote it last.
-- Both sides of UNION ALL are complete queries: only then does a filter on a user reach their tables. They begin with
-- account_key, because only then does Citus push them down.
CREATE OR REPLACE VIEW risk_bi.level_changes WITH (security_invoker = true) AS
SELECT c.account_id,
       c.user_id,
       c.changed_at,
       c.from_level,
       c.to_level,
       c.change,
       c.snapshot_id,
       c.account_label,
       c.from_level_rank,
       c.to_level_rank
  FROM (
    SELECT l.account_key,
           a.account_id,
           u.user_id,
           s.observed_at AS changed_at,
           l.previous_level AS from_level,
           l.max_risk_level AS to_level,
           l.change,
           s.snapshot_id,
           coalesce(a.label, a.account_id) AS account_label,
           array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS from_level_rank,
           array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS to_level_rank
      FROM risk.user_levels l
      JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
      JOIN risk.accounts a ON a.account_key = l.account_key
     WHERE NOT s.is_baseline
    UNION ALL
    SELECT l.account_key,
           a.account_id,
           u.user_id,
           s.observed_at,
           l.max_risk_level,
           NULL,
           'cleared',
           s.snapshot_id,
           coalesce(a.label, a.account_id),
           array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level),
           NULL
      FROM risk.user_levels l
      JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_to
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
      JOIN risk.accounts a ON a.account_key = l.account_key
     WHERE NOT s.is_baseline AND l.end_reason <> 'changed') c;

COMMENT ON VIEW risk_bi.level_changes IS 'Every change of a level, except in the first load (baseline). Changes of accounts that were retired later are included. One row per user and change. Changes before risk_bi.retention.whole_since may be gone.';
COMMENT ON COLUMN risk_bi.level_changes.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.level_changes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.level_changes.changed_at IS 'Instant of the snapshot that recorded the change.';
COMMENT ON COLUMN risk_bi.level_changes.from_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.level_changes.to_level IS 'The level after; null if the user was cleared.';
COMMENT ON COLUMN risk_bi.level_changes.change IS 'appeared (for the first time), raised, lowered, cleared, or returned (after having been cleared).';
COMMENT ON COLUMN risk_bi.level_changes.snapshot_id IS 'The snapshot that recorded the change.';
COMMENT ON COLUMN risk_bi.level_changes.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.level_changes.from_level_rank IS 'The column from_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
COMMENT ON COLUMN risk_bi.level_changes.to_level_rank IS 'The column to_level, for sorting: 1 low, 2 medium, 3 high; null if the user was cleared.';
