-- Holds only personal data, so that its own grant decides who may read it.
CREATE OR REPLACE VIEW risk_bi.user_identities WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       i.valid_from,
       i.valid_to,
       i.email,
       i.name,
       i.valid_to IS NULL AS is_current,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.user_identities i
  JOIN risk.users u USING (account_key, user_key)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.user_identities IS 'Personal data: every email and name that a user has had. One row per user and version. Versions that ended before risk_bi.retention.whole_since may be gone. Needs its own grant.';
COMMENT ON COLUMN risk_bi.user_identities.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_identities.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_identities.valid_from IS 'Instant of the snapshot that first showed this version.';
COMMENT ON COLUMN risk_bi.user_identities.valid_to IS 'Instant of the snapshot that first showed the next version; null for the current version. A cleared user keeps the current version.';
COMMENT ON COLUMN risk_bi.user_identities.email IS 'Personal data: the email; null if none was served.';
COMMENT ON COLUMN risk_bi.user_identities.name IS 'Personal data: the name; null if none was served.';
COMMENT ON COLUMN risk_bi.user_identities.is_current IS 'Whether this is the current version.';
COMMENT ON COLUMN risk_bi.user_identities.account_label IS 'The account''s label, or its id if it has no label.';
