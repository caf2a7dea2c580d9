CREATE OR REPLACE VIEW risk_bi.user_activity WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       c.observed_at,
       c.event_count,
       c.last_event,
       c.snapshot_id,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.user_activity c
  JOIN risk.users u USING (account_key, user_key)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.user_activity IS 'Event counters of each user over time, retired accounts included. One row per user and change of the counters; it holds until the user''s next row, also while the user is cleared. Rows that were superseded before risk_bi.retention.whole_since may be gone. No personal data except the id.';
COMMENT ON COLUMN risk_bi.user_activity.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_activity.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_activity.observed_at IS 'Instant of the first snapshot with these counters.';
COMMENT ON COLUMN risk_bi.user_activity.event_count IS 'Number of risk events, as served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.user_activity.last_event IS 'Time of the newest risk event, as served.';
COMMENT ON COLUMN risk_bi.user_activity.snapshot_id IS 'The snapshot that wrote the row (risk_bi.snapshots).';
COMMENT ON COLUMN risk_bi.user_activity.is_account_retired IS 'Whether the account is retired.';
COMMENT ON COLUMN risk_bi.user_activity.account_label IS 'The account''s label, or its id if it has no label.';
