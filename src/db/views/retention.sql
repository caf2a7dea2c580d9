-- For all readers of the history: rows older than this may be missing.
CREATE OR REPLACE VIEW risk_bi.retention WITH (security_invoker = true) AS
SELECT a.account_id,
       r.dataset,
       r.whole_since,
       r.row_count AS pruned_count,
       r.pruned_at,
       r.feed_id,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.retention r
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.retention IS 'Since when each part of the history is whole, where old rows were deleted (command prune). One row per account and dataset. No row: nothing was ever deleted, and everything is whole.';
COMMENT ON COLUMN risk_bi.retention.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.retention.dataset IS 'activity (user_activity, and event counts as of an instant), levels (user_level_history and what is made of it), identities (user_identities) or runs (sync_runs, sync_coverage).';
COMMENT ON COLUMN risk_bi.retention.whole_since IS 'From this instant on, nothing is missing. Functions that are asked for an earlier instant refuse with SQLSTATE ZT001.';
COMMENT ON COLUMN risk_bi.retention.pruned_count IS 'Rows that were ever deleted. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.retention.pruned_at IS 'When rows were last deleted.';
COMMENT ON COLUMN risk_bi.retention.feed_id IS 'Feed value of the last write to this row. It rises in commit order: remember the highest one as a watermark.';
COMMENT ON COLUMN risk_bi.retention.account_label IS 'The account''s label, or its id if it has no label.';
