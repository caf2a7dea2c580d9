-- Host and evidence are left out: they are for operators, and may name machines.
CREATE OR REPLACE VIEW risk_bi.sync_runs WITH (security_invoker = true) AS
SELECT a.account_id,
       r.run_id,
       r.trigger,
       r.scheduled_for,
       r.status,
       r.verdict,
       r.started_at,
       r.finished_at,
       extract(epoch FROM r.finished_at - r.started_at)::double precision AS duration_seconds,
       r.passes,
       r.expected_unseen,
       r.pages,
       r.requests,
       r.retries,
       r.bytes,
       r.users_met,
       r.duplicates,
       r.rejected,
       r.total_first,
       r.total_last,
       r.lookups,
       r.error_code,
       r.error_message,
       r.snapshot_id,
       r.feed_id,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.sync_runs r
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.sync_runs IS 'One row per finished run (attempt to sync an account). Host and evidence are left out, because they are for operators. Runs before risk_bi.retention.whole_since may be gone.';
COMMENT ON COLUMN risk_bi.sync_runs.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.sync_runs.run_id IS 'Number of the run, rising. Gaps have no meaning.';
COMMENT ON COLUMN risk_bi.sync_runs.trigger IS 'What started the run: cron, cli, http or import.';
COMMENT ON COLUMN risk_bi.sync_runs.scheduled_for IS 'The slot of the schedule that the run is for; null if the run was started by hand.';
COMMENT ON COLUMN risk_bi.sync_runs.status IS 'succeeded, failed, or abandoned (the process of the run died, and a later run took over).';
COMMENT ON COLUMN risk_bi.sync_runs.verdict IS 'complete or partial; null if nothing was published.';
COMMENT ON COLUMN risk_bi.sync_runs.started_at IS 'When the run claimed the account.';
COMMENT ON COLUMN risk_bi.sync_runs.finished_at IS 'When the run published, failed, or was found abandoned.';
COMMENT ON COLUMN risk_bi.sync_runs.duration_seconds IS 'Seconds from started_at to finished_at.';
COMMENT ON COLUMN risk_bi.sync_runs.passes IS 'How many times all pages were read.';
COMMENT ON COLUMN risk_bi.sync_runs.expected_unseen IS 'Estimate of the present users that no pass met; null if there is no estimate. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.sync_runs.pages IS 'Pages read.';
COMMENT ON COLUMN risk_bi.sync_runs.requests IS 'HTTP requests sent, retries included.';
COMMENT ON COLUMN risk_bi.sync_runs.retries IS 'Requests that were repeated after a failure.';
COMMENT ON COLUMN risk_bi.sync_runs.bytes IS 'Bytes of the answers that were read.';
COMMENT ON COLUMN risk_bi.sync_runs.users_met IS 'Distinct users with an accepted record. A run that failed counts them, too. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.sync_runs.duplicates IS 'Records in the last pass beyond the first of each user.';
COMMENT ON COLUMN risk_bi.sync_runs.rejected IS 'Records that were not accepted.';
COMMENT ON COLUMN risk_bi.sync_runs.total_first IS 'Total number of users that the first answer stated; null if it stated none. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.sync_runs.total_last IS 'Total number of users that the last answer stated; null if it stated none. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.sync_runs.lookups IS 'Absent users whose own record was looked up.';
COMMENT ON COLUMN risk_bi.sync_runs.error_code IS 'Stable code of the error (docs/runbook.md); null if there was none.';
COMMENT ON COLUMN risk_bi.sync_runs.error_message IS 'The error in words, without personal data.';
COMMENT ON COLUMN risk_bi.sync_runs.snapshot_id IS 'The snapshot that the run published; null if nothing was published.';
COMMENT ON COLUMN risk_bi.sync_runs.feed_id IS 'Feed value of the transaction that wrote this row; equal to snapshot_id if the run published. It rises in commit order: remember the highest one as a watermark.';
COMMENT ON COLUMN risk_bi.sync_runs.account_label IS 'The account''s label, or its id if it has no label.';
