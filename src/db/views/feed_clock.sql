-- With the owner's rights, unlike every other view, because readers have no rights on risk_internal. It shows only
-- values that the database made, except account ids in a distributed history.
CREATE OR REPLACE VIEW risk_bi.feed_clock AS
SELECT c.last_snapshot_id AS feed_id,
       c.epoch,
       a.account_id
  FROM risk_internal.feed_clock c
  LEFT JOIN risk.accounts a ON a.account_key = c.account_key;

COMMENT ON VIEW risk_bi.feed_clock IS 'The newest feed value, and the epoch: one row for all accounts, or one row per account in a distributed history. Read it in the transaction that reads the rows. Every row whose feed value is at most this one is visible there, and no other row is.';
COMMENT ON COLUMN risk_bi.feed_clock.feed_id IS 'The newest feed value (feed_id or snapshot_id of a row). Remember it as a watermark, also if no row has it.';
COMMENT ON COLUMN risk_bi.feed_clock.epoch IS 'Names one course of the feed clock. If it differs from the one that you remember, the history was restored or replaced: load everything again.';
COMMENT ON COLUMN risk_bi.feed_clock.account_id IS 'The account whose clock this is. Null: the clock of all accounts.';
