-- Every user ever met, so that each row of another view finds its user here.
CREATE OR REPLACE VIEW risk_bi.users WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       u.max_risk_level,
       u.event_count,
       u.last_event,
       u.level_since,
       u.first_seen_at,
       u.absent_since,
       u.cleared_at,
       u.erased_at,
       u.max_risk_level IS NOT NULL AS is_present,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], u.max_risk_level) AS level_rank
  FROM risk.users u
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.users IS 'Current state of every user ever met, retired accounts included. No personal data except the id.';
COMMENT ON COLUMN risk_bi.users.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.users.user_id IS 'Cloudflare''s id of the user; a random one if the person was erased.';
COMMENT ON COLUMN risk_bi.users.max_risk_level IS 'Current level: low, medium or high; null if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.event_count IS 'Number of risk events, as last served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.users.last_event IS 'Time of the newest risk event, as last served.';
COMMENT ON COLUMN risk_bi.users.level_since IS 'Since when the user has had the current level; null if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.first_seen_at IS 'Instant of the first snapshot with this user.';
COMMENT ON COLUMN risk_bi.users.absent_since IS 'Since when no walk has met this present user; null while the user is met, and if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.cleared_at IS 'Instant of the snapshot that cleared the user; null while the user is present.';
COMMENT ON COLUMN risk_bi.users.erased_at IS 'Since when the user stands for a person who was erased; null for everybody else.';
COMMENT ON COLUMN risk_bi.users.is_present IS 'Whether the user has a level now.';
COMMENT ON COLUMN risk_bi.users.is_account_retired IS 'Whether the account is retired. Leave the users of retired accounts out of current totals.';
COMMENT ON COLUMN risk_bi.users.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.users.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high; null if the user is cleared.';
