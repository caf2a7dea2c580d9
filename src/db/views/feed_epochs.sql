-- With the owner's rights, like feed_clock. Not recursive: Citus follows a chain only within one account.
CREATE OR REPLACE VIEW risk_bi.feed_epochs AS
SELECT c.epoch,
       c.last_snapshot_id AS good_up_to,
       a.account_id
  FROM risk_internal.feed_clock c
  LEFT JOIN risk.accounts a ON a.account_key = c.account_key
UNION ALL
SELECT e.previous_epoch,
       LEAST(c.last_snapshot_id, e.began_after),
       a.account_id
  FROM risk_internal.feed_clock c
  JOIN risk_internal.epochs e ON e.account_key = c.account_key AND e.epoch = c.epoch
  LEFT JOIN risk.accounts a ON a.account_key = c.account_key;

COMMENT ON VIEW risk_bi.feed_epochs IS 'One row per epoch that this history continues: its own, and those of the histories that it was restored or copied from. If your epoch is here and your watermark is at most good_up_to, go on from there. Otherwise load everything again.';
COMMENT ON COLUMN risk_bi.feed_epochs.epoch IS 'The epoch that you remember beside your watermark.';
COMMENT ON COLUMN risk_bi.feed_epochs.good_up_to IS 'Up to this feed value, the history of that epoch is this one.';
COMMENT ON COLUMN risk_bi.feed_epochs.account_id IS 'The account whose clock this is. Null: the clock of all accounts.';
