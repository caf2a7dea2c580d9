-- What every schema, table and column is for. Views and functions say it in src/db/views.
COMMENT ON SCHEMA risk IS 'The contract for extractors: current state and history of user risk levels. Columns are stable; rows carry the snapshot_id that wrote them last.';
COMMENT ON SCHEMA risk_internal IS 'Belongs to the worker alone: leases, staging, rejected records, the feed clock, applied migrations. Not a contract.';
COMMENT ON SCHEMA risk_bi IS 'Views and functions for people and BI tools. Columns are only ever appended.';
COMMENT ON SEQUENCE risk_internal.run_ids IS 'Hands out run ids; gaps mean nothing.';

COMMENT ON TABLE risk.accounts IS 'One row per Cloudflare account.';
COMMENT ON COLUMN risk.accounts.account_key IS 'Surrogate key of the account; first part of every other key.';
COMMENT ON COLUMN risk.accounts.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk.accounts.label IS 'A name for people, set with the accounts command.';
COMMENT ON COLUMN risk.accounts.added_at IS 'When this database first met the account.';
COMMENT ON COLUMN risk.accounts.retired_at IS 'When the account was retired: its history stays, it is no longer synced. Null while active.';

COMMENT ON TABLE risk.sync_runs IS 'One row per finished attempt to sync an account, written once.';
COMMENT ON COLUMN risk.sync_runs.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.sync_runs.run_id IS 'Number of the attempt, rising; gaps mean nothing.';
COMMENT ON COLUMN risk.sync_runs.trigger IS 'What started it: cron, cli or http.';
COMMENT ON COLUMN risk.sync_runs.scheduled_for IS 'The slot of the schedule it ran for; null when started by hand.';
COMMENT ON COLUMN risk.sync_runs.status IS 'succeeded, failed, or abandoned (its process died and another took over).';
COMMENT ON COLUMN risk.sync_runs.verdict IS 'complete: every present user was met; partial: some may not have been. Null when nothing was published.';
COMMENT ON COLUMN risk.sync_runs.started_at IS 'When the attempt claimed the account (database clock).';
COMMENT ON COLUMN risk.sync_runs.finished_at IS 'When it published, failed, or was found abandoned (database clock).';
COMMENT ON COLUMN risk.sync_runs.host IS 'Host name of the process that ran it.';
COMMENT ON COLUMN risk.sync_runs.passes IS 'How many times all pages were read.';
COMMENT ON COLUMN risk.sync_runs.expected_unseen IS 'Estimate of the present users that no pass met; null when it was not estimated.';
COMMENT ON COLUMN risk.sync_runs.pages IS 'Pages read.';
COMMENT ON COLUMN risk.sync_runs.requests IS 'HTTP requests sent, retries included.';
COMMENT ON COLUMN risk.sync_runs.retries IS 'Requests that were repeated after a failure.';
COMMENT ON COLUMN risk.sync_runs.bytes IS 'Bytes of answers read.';
COMMENT ON COLUMN risk.sync_runs.users_met IS 'Distinct users met, those of rejected records with a readable id included.';
COMMENT ON COLUMN risk.sync_runs.duplicates IS 'Records beyond the first of their user in the last pass: the list moved while it was read.';
COMMENT ON COLUMN risk.sync_runs.rejected IS 'Records that were not accepted (see risk_internal.rejected_records).';
COMMENT ON COLUMN risk.sync_runs.total_first IS 'Total number of users as the first answer stated it; null when it stated none.';
COMMENT ON COLUMN risk.sync_runs.total_last IS 'Total as the last answer stated it.';
COMMENT ON COLUMN risk.sync_runs.lookups IS 'Absent users whose own record was asked.';
COMMENT ON COLUMN risk.sync_runs.evidence IS 'How the server treated paging, repeated pages, and other facts behind the verdict. No emails, no names.';
COMMENT ON COLUMN risk.sync_runs.error_code IS 'Stable code of the error; null when it succeeded.';
COMMENT ON COLUMN risk.sync_runs.error_message IS 'What happened, what it means, what to do.';
COMMENT ON COLUMN risk.sync_runs.snapshot_id IS 'The snapshot it published; null when nothing was published.';

COMMENT ON TABLE risk.snapshots IS 'One row per published run: the state of one account at one instant.';
COMMENT ON COLUMN risk.snapshots.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.snapshots.snapshot_id IS 'Rises in commit order over all accounts: remember the highest seen as a watermark.';
COMMENT ON COLUMN risk.snapshots.observed_at IS 'The instant that the snapshot stands for: the database clock when its walk began, in milliseconds; rises per account.';
COMMENT ON COLUMN risk.snapshots.verdict IS 'complete: every present user was met; partial: some may not have been, and the users not met are carried.';
COMMENT ON COLUMN risk.snapshots.expected_unseen IS 'Estimate of the present users that the walk did not meet; null when it was not estimated.';
COMMENT ON COLUMN risk.snapshots.is_baseline IS 'True up to and including the first complete snapshot of the account: its changes are a first load, not news.';
COMMENT ON COLUMN risk.snapshots.user_count IS 'Users present: met_count + carried_count.';
COMMENT ON COLUMN risk.snapshots.met_count IS 'Present users with an accepted record in this run.';
COMMENT ON COLUMN risk.snapshots.carried_count IS 'Present users without one, kept with their last state.';
COMMENT ON COLUMN risk.snapshots.event_count IS 'Sum of the event counts of all present users.';
COMMENT ON COLUMN risk.snapshots.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk.snapshots.raised IS 'Users whose level rose.';
COMMENT ON COLUMN risk.snapshots.lowered IS 'Users whose level fell.';
COMMENT ON COLUMN risk.snapshots.cleared IS 'Users who were present before and no longer are.';
COMMENT ON COLUMN risk.snapshots.returned IS 'Users who were cleared before and are present again.';

COMMENT ON TABLE risk.snapshot_levels IS 'One row per snapshot and level, zeros included.';
COMMENT ON COLUMN risk.snapshot_levels.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.snapshot_levels.snapshot_id IS 'The snapshot (risk.snapshots).';
COMMENT ON COLUMN risk.snapshot_levels.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk.snapshot_levels.user_count IS 'Present users with this level.';
COMMENT ON COLUMN risk.snapshot_levels.event_count IS 'Sum of their event counts.';

COMMENT ON TABLE risk.users IS 'One row per user ever met: the current state. Holds no email and no name.';
COMMENT ON COLUMN risk.users.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.users.user_key IS 'Surrogate key of the user within the account.';
COMMENT ON COLUMN risk.users.user_id IS 'Cloudflare''s id of the user.';
COMMENT ON COLUMN risk.users.max_risk_level IS 'Current level: low, medium or high; null once cleared.';
COMMENT ON COLUMN risk.users.event_count IS 'Risk events as last served.';
COMMENT ON COLUMN risk.users.last_event IS 'Time of the latest risk event as last served.';
COMMENT ON COLUMN risk.users.level_since IS 'observed_at of the snapshot that opened the current level period; null once cleared.';
COMMENT ON COLUMN risk.users.identity_since IS 'observed_at of the snapshot that opened the current identity.';
COMMENT ON COLUMN risk.users.first_seen_at IS 'observed_at of the first snapshot with this user.';
COMMENT ON COLUMN risk.users.absent_since IS 'observed_at of the first snapshot whose walk did not meet this still present user; null when met.';
COMMENT ON COLUMN risk.users.cleared_at IS 'observed_at of the snapshot that cleared the user; null while present.';
COMMENT ON COLUMN risk.users.snapshot_id IS 'Feed value that wrote this row last.';

COMMENT ON TABLE risk.user_identities IS 'One row per user and identity (slowly changing dimension, type 2). Personal data. Stays open while the user is cleared.';
COMMENT ON COLUMN risk.user_identities.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_identities.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_identities.valid_from IS 'observed_at of the snapshot that first showed this identity.';
COMMENT ON COLUMN risk.user_identities.valid_to IS 'observed_at of the snapshot that ended it; null while open.';
COMMENT ON COLUMN risk.user_identities.email IS 'Email as served; null when the API left it out.';
COMMENT ON COLUMN risk.user_identities.name IS 'Name as served; null when the API left it out.';
COMMENT ON COLUMN risk.user_identities.snapshot_id IS 'Feed value that wrote this row last.';

COMMENT ON TABLE risk.user_levels IS 'One row per user and period at one level (slowly changing dimension, type 2).';
COMMENT ON COLUMN risk.user_levels.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_levels.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_levels.valid_from IS 'observed_at of the snapshot that opened the period.';
COMMENT ON COLUMN risk.user_levels.valid_to IS 'observed_at of the snapshot that ended it (first instant at which it no longer held); null while open.';
COMMENT ON COLUMN risk.user_levels.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk.user_levels.previous_level IS 'Level just before; null when appeared or returned.';
COMMENT ON COLUMN risk.user_levels.change IS 'How the period began: appeared, raised, lowered or returned.';
COMMENT ON COLUMN risk.user_levels.end_reason IS 'How it ended: changed (to another level), reset (an administrator reset the score) or absent; null while open.';
COMMENT ON COLUMN risk.user_levels.absent_since IS 'For a cleared user: observed_at of the first snapshot whose walk did not meet them.';
COMMENT ON COLUMN risk.user_levels.last_reset_time IS 'For a reset: when it happened, as Cloudflare states it.';
COMMENT ON COLUMN risk.user_levels.snapshot_id IS 'Feed value that wrote this row last.';

COMMENT ON TABLE risk.user_activity IS 'One row per user and change of the counters, append-only.';
COMMENT ON COLUMN risk.user_activity.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_activity.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_activity.observed_at IS 'observed_at of the snapshot that first showed these counters.';
COMMENT ON COLUMN risk.user_activity.event_count IS 'Risk events as served.';
COMMENT ON COLUMN risk.user_activity.last_event IS 'Time of the latest risk event as served.';
COMMENT ON COLUMN risk.user_activity.snapshot_id IS 'Feed value that wrote this row.';

COMMENT ON TABLE risk_internal.leases IS 'One row per account that is being synced: the lease of the running attempt.';
COMMENT ON COLUMN risk_internal.leases.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.leases.run_id IS 'Number of the attempt.';
COMMENT ON COLUMN risk_internal.leases.owner IS 'Random id of the attempt: the fence that publish checks.';
COMMENT ON COLUMN risk_internal.leases.trigger IS 'What started it: cron, cli or http.';
COMMENT ON COLUMN risk_internal.leases.scheduled_for IS 'The slot of the schedule it runs for; null when started by hand.';
COMMENT ON COLUMN risk_internal.leases.started_at IS 'When it claimed the account (database clock).';
COMMENT ON COLUMN risk_internal.leases.heartbeat_at IS 'Last sign of life (database clock).';
COMMENT ON COLUMN risk_internal.leases.host IS 'Host name of its process.';
COMMENT ON COLUMN risk_internal.leases.process IS 'Identity of its process on that host, to see at once that it has died.';
COMMENT ON COLUMN risk_internal.leases.progress IS 'How far the walk has come.';

COMMENT ON TABLE risk_internal.feed_clock IS 'One row: the last snapshot_id handed out. Its lock orders all publishes.';
COMMENT ON COLUMN risk_internal.feed_clock.id IS 'Always 1.';
COMMENT ON COLUMN risk_internal.feed_clock.last_snapshot_id IS 'The last feed value handed out.';

COMMENT ON TABLE risk_internal.rejected_records IS 'One row per distinct record that was not accepted. May hold personal data; readable by the worker alone.';
COMMENT ON COLUMN risk_internal.rejected_records.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.rejected_records.record_hash IS 'SHA-256 of the reason, the record as kept, and its user.';
COMMENT ON COLUMN risk_internal.rejected_records.user_id IS 'The user it speaks of, where that could be read: met, never absent.';
COMMENT ON COLUMN risk_internal.rejected_records.reason IS 'Why it was not accepted.';
COMMENT ON COLUMN risk_internal.rejected_records.raw IS 'The record as served, cut at 4,096 characters.';
COMMENT ON COLUMN risk_internal.rejected_records.first_run_id IS 'First attempt that met it.';
COMMENT ON COLUMN risk_internal.rejected_records.last_run_id IS 'Latest attempt that met it.';
COMMENT ON COLUMN risk_internal.rejected_records.first_seen_at IS 'When it was first met (database clock).';
COMMENT ON COLUMN risk_internal.rejected_records.last_seen_at IS 'When it was last met (database clock).';

COMMENT ON TABLE risk_internal.account_writers IS 'Who wrote the users of an account last, and the highest key given to one of them.';
COMMENT ON COLUMN risk_internal.account_writers.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.account_writers.last_user_key IS 'Highest user_key that was ever given; none is given twice, also after an erasure.';
COMMENT ON COLUMN risk_internal.account_writers.last_snapshot_id IS 'Value of the feed clock that the last writer of the account took; 0 before the first.';

COMMENT ON TABLE risk_internal.staged_changes IS 'Unlogged. What a publish is about to change, within its transaction.';
COMMENT ON COLUMN risk_internal.staged_changes.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.staged_changes.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk_internal.staged_changes.user_id IS 'The user.';
COMMENT ON COLUMN risk_internal.staged_changes.is_new IS 'True for a user never met before.';
COMMENT ON COLUMN risk_internal.staged_changes.is_missing IS 'True for a present user that the walk did not meet.';
COMMENT ON COLUMN risk_internal.staged_changes.old_level IS 'Level before; null when not present.';
COMMENT ON COLUMN risk_internal.staged_changes.new_level IS 'Level as met, or as before for a user of a rejected record; null when missing.';
COMMENT ON COLUMN risk_internal.staged_changes.identity_changed IS 'Whether an identity opens.';
COMMENT ON COLUMN risk_internal.staged_changes.activity_changed IS 'Whether the counters differ.';
COMMENT ON COLUMN risk_internal.staged_changes.email IS 'New email; personal data, removed at publish.';
COMMENT ON COLUMN risk_internal.staged_changes.name IS 'New name; personal data, removed at publish.';
COMMENT ON COLUMN risk_internal.staged_changes.event_count IS 'Events as met; null when missing.';
COMMENT ON COLUMN risk_internal.staged_changes.last_event IS 'Newest event as met; null when missing.';
COMMENT ON COLUMN risk_internal.staged_changes.lookup_outcome IS 'What the own record of a missing user said in this run; null when it was not asked.';
COMMENT ON COLUMN risk_internal.staged_changes.last_reset_time IS 'When the score of the user was last reset, as their own record says.';
COMMENT ON COLUMN risk_internal.staged_changes.end_reason IS 'Why a missing user is cleared by this publish: reset or absent. Null: they stay.';

COMMENT ON TABLE risk_internal.staged_rejected IS 'Unlogged. Rejected records on their way into quarantine, within one transaction. Personal data.';
COMMENT ON COLUMN risk_internal.staged_rejected.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.staged_rejected.record_hash IS 'As in rejected_records.';
COMMENT ON COLUMN risk_internal.staged_rejected.user_id IS 'The user, if the record says which; null otherwise.';
COMMENT ON COLUMN risk_internal.staged_rejected.reason IS 'Why it was not accepted.';
COMMENT ON COLUMN risk_internal.staged_rejected.raw IS 'The record as JSON, cut at 4,096 characters; personal data.';

COMMENT ON TABLE risk_internal.migrations IS 'Migrations that were applied, with the hash of each at that time.';
COMMENT ON COLUMN risk_internal.migrations.id IS 'Order of application.';
COMMENT ON COLUMN risk_internal.migrations.hash IS 'SHA-256 of the SQL file as it was applied.';
COMMENT ON COLUMN risk_internal.migrations.created_at IS 'When the migration was written, in milliseconds since 1970: its identity.';

COMMENT ON TABLE risk_internal.lookups IS 'The latest question about each user who was absent: what their own record said. One row per user ever asked about.';
COMMENT ON COLUMN risk_internal.lookups.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.lookups.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk_internal.lookups.run_id IS 'The attempt that asked (risk.sync_runs).';
COMMENT ON COLUMN risk_internal.lookups.asked_at IS 'When the answer was written down (database clock).';
COMMENT ON COLUMN risk_internal.lookups.outcome IS 'level: still there; no_level, reset (a reset not older than the newest event known) and not_found: gone; unreadable: it did not say.';
COMMENT ON COLUMN risk_internal.lookups.level_at IS 'When the record last said that the user has a level; null when it never did.';
