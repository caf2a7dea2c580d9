-- Has no account_key: people and dashboards know an account by its id and its label.
CREATE OR REPLACE VIEW risk_bi.accounts WITH (security_invoker = true) AS
SELECT a.account_id,
       a.label,
       a.added_at,
       a.retired_at,
       a.retired_at IS NOT NULL AS is_retired,
       a.feed_id,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.accounts a;

COMMENT ON VIEW risk_bi.accounts IS 'One row per account.';
COMMENT ON COLUMN risk_bi.accounts.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.accounts.label IS 'A name for display, set with the accounts command; null if there is none.';
COMMENT ON COLUMN risk_bi.accounts.added_at IS 'When the account was added to this database.';
COMMENT ON COLUMN risk_bi.accounts.retired_at IS 'When the account was retired. It keeps its history and is no longer synced. Null while the account is active.';
COMMENT ON COLUMN risk_bi.accounts.is_retired IS 'Whether the account is retired.';
COMMENT ON COLUMN risk_bi.accounts.feed_id IS 'Feed value of the last write to this row. It rises in commit order: remember the highest one as a watermark.';
COMMENT ON COLUMN risk_bi.accounts.account_label IS 'The account''s label, or its id if it has no label.';
