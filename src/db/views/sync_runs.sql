-- Host and evidence stay away: they are for operators, and may name machines.
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
       r.snapshot_id
  FROM risk.sync_runs r
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.sync_runs IS 'One row per finished attempt to sync an account. Without host and evidence, which are for operators.';
COMMENT ON COLUMN risk_bi.sync_runs.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.sync_runs.run_id IS 'Number of the attempt, rising; gaps mean nothing.';
COMMENT ON COLUMN risk_bi.sync_runs.trigger IS 'What started it: cron, cli or http.';
COMMENT ON COLUMN risk_bi.sync_runs.scheduled_for IS 'The slot of the schedule it ran for; null when started by hand.';
COMMENT ON COLUMN risk_bi.sync_runs.status IS 'succeeded, failed, or abandoned (its process died and another took over).';
COMMENT ON COLUMN risk_bi.sync_runs.verdict IS 'complete or partial; null when nothing was published.';
COMMENT ON COLUMN risk_bi.sync_runs.started_at IS 'When the attempt claimed the account.';
COMMENT ON COLUMN risk_bi.sync_runs.finished_at IS 'When it published, failed, or was found abandoned.';
COMMENT ON COLUMN risk_bi.sync_runs.duration_seconds IS 'From started_at to finished_at.';
COMMENT ON COLUMN risk_bi.sync_runs.passes IS 'How many times all pages were read.';
COMMENT ON COLUMN risk_bi.sync_runs.expected_unseen IS 'Estimate of the present users that no pass met; null when it was not estimated.';
COMMENT ON COLUMN risk_bi.sync_runs.pages IS 'Pages read.';
COMMENT ON COLUMN risk_bi.sync_runs.requests IS 'HTTP requests sent, retries included.';
COMMENT ON COLUMN risk_bi.sync_runs.retries IS 'Requests that were repeated after a failure.';
COMMENT ON COLUMN risk_bi.sync_runs.bytes IS 'Bytes of answers read.';
COMMENT ON COLUMN risk_bi.sync_runs.users_met IS 'Distinct users met, those of rejected records with a readable id included.';
COMMENT ON COLUMN risk_bi.sync_runs.duplicates IS 'Records beyond the first of their user in the last pass.';
COMMENT ON COLUMN risk_bi.sync_runs.rejected IS 'Records that were not accepted.';
COMMENT ON COLUMN risk_bi.sync_runs.total_first IS 'Total number of users as the first answer stated it; null when it stated none.';
COMMENT ON COLUMN risk_bi.sync_runs.total_last IS 'The same of the last answer.';
COMMENT ON COLUMN risk_bi.sync_runs.lookups IS 'Absent users whose own record was asked.';
COMMENT ON COLUMN risk_bi.sync_runs.error_code IS 'Stable code of the error (docs/runbook.md); null when there was none.';
COMMENT ON COLUMN risk_bi.sync_runs.error_message IS 'The error in words, without personal data.';
COMMENT ON COLUMN risk_bi.sync_runs.snapshot_id IS 'The snapshot that it published; null when none.';
