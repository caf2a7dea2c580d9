-- What every schema, table and column is for. The comments of views and functions are in src/db/views.
COMMENT ON SCHEMA risk IS 'The contract for extractors: current state and history of user risk levels. Columns are stable. Each row carries the feed value that wrote it last: snapshot_id, or feed_id for accounts and runs.';
COMMENT ON SCHEMA risk_internal IS 'For the worker alone: leases, staging, rejected records, the feed clock, request budgets, applied migrations. Not a contract.';
COMMENT ON SCHEMA risk_bi IS 'Views and functions for people and BI tools. New columns are only added at the end.';
COMMENT ON SEQUENCE risk_internal.run_ids IS 'Hands out run ids. Gaps have no meaning.';

COMMENT ON TABLE risk.accounts IS 'One row per Cloudflare account.';
COMMENT ON COLUMN risk.accounts.account_key IS 'Surrogate key of the account; first part of every other key.';
COMMENT ON COLUMN risk.accounts.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk.accounts.label IS 'A name for display, set with the accounts command.';
COMMENT ON COLUMN risk.accounts.added_at IS 'When the account was added to this database.';
COMMENT ON COLUMN risk.accounts.retired_at IS 'When the account was retired. It keeps its history and is no longer synced. Null while the account is active.';
COMMENT ON COLUMN risk.accounts.feed_id IS 'Feed value of the last write to this row. Extractors remember the highest one that they have seen as a watermark.';

COMMENT ON TABLE risk.sync_runs IS 'One row per finished run (attempt to sync an account). Each row is written once.';
COMMENT ON COLUMN risk.sync_runs.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.sync_runs.run_id IS 'Number of the run, rising. Gaps have no meaning.';
COMMENT ON COLUMN risk.sync_runs.trigger IS 'What started the run: cron, cli, http or import.';
COMMENT ON COLUMN risk.sync_runs.scheduled_for IS 'The slot of the schedule that the run is for; null if the run was started by hand.';
COMMENT ON COLUMN risk.sync_runs.status IS 'succeeded, failed, or abandoned (the process of the run died, and a later run took over).';
COMMENT ON COLUMN risk.sync_runs.verdict IS 'complete: every present user was met. partial: some may have been missed. Null if nothing was published.';
COMMENT ON COLUMN risk.sync_runs.started_at IS 'When the run claimed the account (database clock).';
COMMENT ON COLUMN risk.sync_runs.finished_at IS 'When the run published, failed, or was found abandoned (database clock).';
COMMENT ON COLUMN risk.sync_runs.host IS 'Host name of the process that made the run.';
COMMENT ON COLUMN risk.sync_runs.passes IS 'How many times all pages were read.';
COMMENT ON COLUMN risk.sync_runs.expected_unseen IS 'Estimate of the present users that no pass met; null if there is no estimate. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.sync_runs.pages IS 'Pages read.';
COMMENT ON COLUMN risk.sync_runs.requests IS 'HTTP requests sent, retries included.';
COMMENT ON COLUMN risk.sync_runs.retries IS 'Requests that were repeated after a failure.';
COMMENT ON COLUMN risk.sync_runs.bytes IS 'Bytes of the answers that were read.';
COMMENT ON COLUMN risk.sync_runs.users_met IS 'Distinct users with an accepted record. A run that failed counts them, too. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.sync_runs.duplicates IS 'Records in the last pass beyond the first of each user. They show that the list moved while it was read.';
COMMENT ON COLUMN risk.sync_runs.rejected IS 'Records that were not accepted (see risk_internal.rejected_records).';
COMMENT ON COLUMN risk.sync_runs.total_first IS 'Total number of users that the first answer stated; null if it stated none. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.sync_runs.total_last IS 'Total number of users that the last answer stated; null if it stated none. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.sync_runs.lookups IS 'Absent users whose own record was looked up.';
COMMENT ON COLUMN risk.sync_runs.evidence IS 'The facts behind the verdict, such as how the server treated paging, and which pages were repeated. No emails, no names.';
COMMENT ON COLUMN risk.sync_runs.error_code IS 'Stable code of the error; null if the run succeeded.';
COMMENT ON COLUMN risk.sync_runs.error_message IS 'The error in words: what happened, what it means, and what to do.';
COMMENT ON COLUMN risk.sync_runs.snapshot_id IS 'The snapshot that the run published; null if nothing was published.';
COMMENT ON COLUMN risk.sync_runs.feed_id IS 'Feed value of the transaction that wrote this row; equal to snapshot_id if the run published. It rises in commit order over all accounts, failed and abandoned runs included. run_id does not. Extractors remember the highest one that they have seen as a watermark.';

COMMENT ON TABLE risk.snapshots IS 'One row per published run: the state of one account at one instant.';
COMMENT ON COLUMN risk.snapshots.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.snapshots.snapshot_id IS 'Rises in commit order over all accounts; in a distributed history, within each account. Extractors remember the highest one that they have seen as a watermark.';
COMMENT ON COLUMN risk.snapshots.observed_at IS 'The instant of the snapshot: the database clock when the run claimed the account, in milliseconds. It rises within an account.';
COMMENT ON COLUMN risk.snapshots.verdict IS 'complete: every present user was met. partial: some may have been missed. Users who were not met are carried.';
COMMENT ON COLUMN risk.snapshots.expected_unseen IS 'Estimate of the present users that no pass met; null if there is no estimate. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshots.is_baseline IS 'True up to and including the first complete snapshot of the account. The changes of such snapshots are a first load, not news.';
COMMENT ON COLUMN risk.snapshots.user_count IS 'Present users: met_count + carried_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshots.met_count IS 'Present users with an accepted record in this run. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshots.carried_count IS 'Present users without an accepted record in this run, kept with their last known state. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshots.event_count IS 'Sum of the event counts of all present users. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshots.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk.snapshots.raised IS 'Users whose level rose.';
COMMENT ON COLUMN risk.snapshots.lowered IS 'Users whose level fell.';
COMMENT ON COLUMN risk.snapshots.cleared IS 'Users who were present before and are no longer present.';
COMMENT ON COLUMN risk.snapshots.returned IS 'Users who were cleared before and are present again.';

COMMENT ON TABLE risk.snapshot_levels IS 'One row per snapshot and level, zeros included.';
COMMENT ON COLUMN risk.snapshot_levels.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.snapshot_levels.snapshot_id IS 'The snapshot (risk.snapshots).';
COMMENT ON COLUMN risk.snapshot_levels.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk.snapshot_levels.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.snapshot_levels.event_count IS 'Sum of the event counts of present users with this level. A stock, not a flow: never add it up over time.';

COMMENT ON TABLE risk.users IS 'One row per user ever met: the user''s current state. No email, no name.';
COMMENT ON COLUMN risk.users.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.users.user_key IS 'Surrogate key of the user within the account.';
COMMENT ON COLUMN risk.users.user_id IS 'Cloudflare''s id of the user; a random one if the person was erased.';
COMMENT ON COLUMN risk.users.max_risk_level IS 'Current level: low, medium or high; null if the user is cleared.';
COMMENT ON COLUMN risk.users.event_count IS 'Number of risk events, as last served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.users.last_event IS 'Time of the newest risk event, as last served.';
COMMENT ON COLUMN risk.users.level_since IS 'observed_at of the snapshot that opened the current level period; null if the user is cleared.';
COMMENT ON COLUMN risk.users.identity_since IS 'observed_at of the snapshot that opened the current identity.';
COMMENT ON COLUMN risk.users.first_seen_at IS 'observed_at of the first snapshot with this user.';
COMMENT ON COLUMN risk.users.absent_since IS 'For a present user whom the newest walks did not meet: observed_at of the first snapshot that did not meet the user. Otherwise null.';
COMMENT ON COLUMN risk.users.cleared_at IS 'observed_at of the snapshot that cleared the user; null while the user is present.';
COMMENT ON COLUMN risk.users.snapshot_id IS 'Feed value of the last write to this row.';
COMMENT ON COLUMN risk.users.erased_at IS 'Since when the user stands for a person who was erased: user_id is then a random one that leads nowhere, and email and name are null. Otherwise null.';

COMMENT ON TABLE risk.user_identities IS 'One row per user and identity (slowly changing dimension, type 2). Personal data. While a user is cleared, the newest identity stays open.';
COMMENT ON COLUMN risk.user_identities.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_identities.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_identities.valid_from IS 'observed_at of the snapshot that first showed this identity.';
COMMENT ON COLUMN risk.user_identities.valid_to IS 'observed_at of the snapshot that ended this identity; null while it is open.';
COMMENT ON COLUMN risk.user_identities.email IS 'Email as served, or its keyed hash, or nothing (PII_MODE); null when the API left it out, or the person was erased.';
COMMENT ON COLUMN risk.user_identities.name IS 'Name as served, or its keyed hash, or nothing (PII_MODE); null when the API left it out, or the person was erased.';
COMMENT ON COLUMN risk.user_identities.snapshot_id IS 'Feed value of the last write to this row.';

COMMENT ON TABLE risk.user_levels IS 'One row per user and period at one level (slowly changing dimension, type 2).';
COMMENT ON COLUMN risk.user_levels.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_levels.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_levels.valid_from IS 'observed_at of the snapshot that opened the period.';
COMMENT ON COLUMN risk.user_levels.valid_to IS 'observed_at of the snapshot that ended the period. This instant is no longer part of the period. Null while the period is open.';
COMMENT ON COLUMN risk.user_levels.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk.user_levels.previous_level IS 'Level just before the period; null if change is appeared or returned.';
COMMENT ON COLUMN risk.user_levels.change IS 'How the period began: appeared, raised, lowered or returned.';
COMMENT ON COLUMN risk.user_levels.end_reason IS 'How the period ended: changed (to another level), reset (cleared after an administrator reset the score) or absent (cleared in any other case). Null while it is open.';
COMMENT ON COLUMN risk.user_levels.absent_since IS 'If the period ended because the user was cleared: observed_at of the first snapshot that did not meet the user.';
COMMENT ON COLUMN risk.user_levels.last_reset_time IS 'If the period ended by a reset: the time of the reset, as Cloudflare states it.';
COMMENT ON COLUMN risk.user_levels.snapshot_id IS 'Feed value of the last write to this row.';

COMMENT ON TABLE risk.retention IS 'One row per account and dataset of which old rows were deleted (command prune). No row: nothing was ever deleted.';
COMMENT ON COLUMN risk.retention.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.retention.dataset IS 'activity (user_activity), levels (user_levels), identities (user_identities) or runs (sync_runs).';
COMMENT ON COLUMN risk.retention.whole_since IS 'From this instant on, nothing is missing. What was superseded, or had ended, before it may be gone.';
COMMENT ON COLUMN risk.retention.pruned_up_to IS 'How far prune has worked: what a snapshot up to this one superseded is gone. Only for activity, else null. Never add it up over time.';
COMMENT ON COLUMN risk.retention.row_count IS 'Rows that were ever deleted. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.retention.pruned_at IS 'When rows were last deleted.';
COMMENT ON COLUMN risk.retention.feed_id IS 'Feed value of the last write to this row. It rises in commit order: remember the highest one as a watermark.';

COMMENT ON TABLE risk.user_activity IS 'One row per user and change of event_count or last_event. Append-only: rows are never changed, and prune may delete old ones (risk.retention).';
COMMENT ON COLUMN risk.user_activity.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk.user_activity.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk.user_activity.observed_at IS 'observed_at of the snapshot that first showed these values.';
COMMENT ON COLUMN risk.user_activity.event_count IS 'Number of risk events, as served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk.user_activity.last_event IS 'Time of the newest risk event, as served.';
COMMENT ON COLUMN risk.user_activity.snapshot_id IS 'Feed value of the write that added this row.';

COMMENT ON TABLE risk_internal.account_keys IS 'The directory of accounts: gives them their keys, and keeps their ids unique.';
COMMENT ON COLUMN risk_internal.account_keys.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.account_keys.account_id IS 'Cloudflare''s account id.';

COMMENT ON TABLE risk_internal.imports IS 'One row per file of saved answers that was imported. The same file under the same instant is not imported again.';
COMMENT ON COLUMN risk_internal.imports.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.imports.observed_at IS 'The instant of the file, and of its snapshot.';
COMMENT ON COLUMN risk_internal.imports.digest IS 'SHA-256 of the content of the file, unpacked, in hexadecimal.';
COMMENT ON COLUMN risk_internal.imports.snapshot_id IS 'The snapshot that was published (risk.snapshots).';
COMMENT ON COLUMN risk_internal.imports.imported_at IS 'When it was published (database clock).';

COMMENT ON TABLE risk_internal.leases IS 'One row per account that is being synced: the lease of its current run.';
COMMENT ON COLUMN risk_internal.leases.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.leases.run_id IS 'Number of the run.';
COMMENT ON COLUMN risk_internal.leases.owner IS 'Random id of the run. Publish checks it (fencing).';
COMMENT ON COLUMN risk_internal.leases.trigger IS 'What started the run: cron, cli, http or import.';
COMMENT ON COLUMN risk_internal.leases.scheduled_for IS 'The slot of the schedule that the run is for; null if the run was started by hand.';
COMMENT ON COLUMN risk_internal.leases.started_at IS 'When the run claimed the account (database clock).';
COMMENT ON COLUMN risk_internal.leases.heartbeat_at IS 'Last heartbeat of the run (database clock).';
COMMENT ON COLUMN risk_internal.leases.host IS 'Host name of the process that makes the run.';
COMMENT ON COLUMN risk_internal.leases.process IS 'Identity of the process that makes the run. It shows at once whether the process has died.';
COMMENT ON COLUMN risk_internal.leases.progress IS 'How far the walk has come.';

COMMENT ON TABLE risk_internal.feed_clock IS 'The last feed value (snapshot_id, feed_id) handed out. The lock of a row orders all writers that it serves. risk_internal.feed_clock_key() tells which row serves an account.';
COMMENT ON COLUMN risk_internal.feed_clock.account_key IS '0: the clock of all accounts. Only a distributed history has one clock per account (risk.accounts).';
COMMENT ON COLUMN risk_internal.feed_clock.last_snapshot_id IS 'The last feed value handed out.';
COMMENT ON COLUMN risk_internal.feed_clock.epoch IS 'Names this course of the clock. It changes when the history was restored, copied or promoted, because feed values may then be given again.';
COMMENT ON COLUMN risk_internal.feed_clock.place IS 'history_place() when a value was last taken; null before the first one. If it differs, the writer begins a new epoch.';
COMMENT ON COLUMN risk_internal.feed_clock.copied_at IS 'When `database copy` or `database backup` last made a whole copy of this history; null: never.';
COMMENT ON FUNCTION risk_internal.feed_clock_key(integer) IS 'The row of feed_clock that serves an account: 0, or the account itself in a distributed history.';
COMMENT ON FUNCTION risk_internal.history_place() IS 'Where the history is: system identifier, timeline, database and table. It differs after a restore, a copy or a failover.';

COMMENT ON TABLE risk_internal.epochs IS 'One row per epoch that began because the history was restored, copied or promoted, and earlier epoch that it continues.';
COMMENT ON COLUMN risk_internal.epochs.account_key IS 'The clock that the epoch is of (feed_clock.account_key).';
COMMENT ON COLUMN risk_internal.epochs.epoch IS 'The epoch that began.';
COMMENT ON COLUMN risk_internal.epochs.previous_epoch IS 'The epoch that it continues.';
COMMENT ON COLUMN risk_internal.epochs.began_after IS 'Up to this feed value, the history is the one of the previous epoch.';
COMMENT ON COLUMN risk_internal.epochs.began_at IS 'When it began (database clock).';
COMMENT ON COLUMN risk_internal.epochs.reason IS 'copied: by `database copy` or `database restore`. moved: a writer found the history in another place.';

COMMENT ON TABLE risk_internal.rejected_records IS 'One row per distinct record that was not accepted. May hold personal data. Only the worker may read it.';
COMMENT ON COLUMN risk_internal.rejected_records.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.rejected_records.record_hash IS 'SHA-256 of the reason, the stored record and its user.';
COMMENT ON COLUMN risk_internal.rejected_records.user_id IS 'The user of the record, if it could be read. This user counts as met, never as absent.';
COMMENT ON COLUMN risk_internal.rejected_records.reason IS 'Why the record was not accepted.';
COMMENT ON COLUMN risk_internal.rejected_records.raw IS 'The record as served, cut at 4,096 characters. Without emails and names where PII_MODE is not full.';
COMMENT ON COLUMN risk_internal.rejected_records.first_run_id IS 'The first run that met the record.';
COMMENT ON COLUMN risk_internal.rejected_records.last_run_id IS 'The latest run that met the record.';
COMMENT ON COLUMN risk_internal.rejected_records.first_seen_at IS 'When the record was first met (database clock).';
COMMENT ON COLUMN risk_internal.rejected_records.last_seen_at IS 'When the record was last met (database clock).';

COMMENT ON TABLE risk_internal.account_writers IS 'The last writer of an account''s users, and the highest key given to one of them.';
COMMENT ON COLUMN risk_internal.account_writers.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.account_writers.last_user_key IS 'The highest user_key ever given. No key is given twice, even after users were erased.';
COMMENT ON COLUMN risk_internal.account_writers.last_snapshot_id IS 'Feed value of the last writer of the account; 0 before the first writer.';

COMMENT ON TABLE risk_internal.identity_modes IS 'What is kept of the emails and names of an account (PII_MODE), and since when.';
COMMENT ON COLUMN risk_internal.identity_modes.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.identity_modes.mode IS 'full: as served. pseudonymous: keyed hashes. none: nothing.';
COMMENT ON COLUMN risk_internal.identity_modes.key_id IS 'Names the key of the hashes. It is part of every hash. Null in other modes.';
COMMENT ON COLUMN risk_internal.identity_modes.since IS 'When the mode or the key was last changed (database clock); null: since the account was added.';
COMMENT ON COLUMN risk_internal.identity_modes.is_applied IS 'False while what was kept before is being rewritten: nothing may be published then.';

COMMENT ON TABLE risk_internal.staged_changes IS 'What a publish is about to change. Filled and emptied inside its transaction. Unlogged.';
COMMENT ON COLUMN risk_internal.staged_changes.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.staged_changes.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk_internal.staged_changes.user_id IS 'The user.';
COMMENT ON COLUMN risk_internal.staged_changes.is_new IS 'True for a user never met before.';
COMMENT ON COLUMN risk_internal.staged_changes.is_missing IS 'True for a present user that the walk did not meet.';
COMMENT ON COLUMN risk_internal.staged_changes.old_level IS 'Level before; null if the user was not present.';
COMMENT ON COLUMN risk_internal.staged_changes.new_level IS 'Level that the walk met. For the user of a rejected record, the level before. Null for a missing user.';
COMMENT ON COLUMN risk_internal.staged_changes.identity_changed IS 'Whether the publish opens a new identity.';
COMMENT ON COLUMN risk_internal.staged_changes.activity_changed IS 'Whether event_count or last_event differs.';
COMMENT ON COLUMN risk_internal.staged_changes.email IS 'New email; personal data, removed at publish.';
COMMENT ON COLUMN risk_internal.staged_changes.name IS 'New name; personal data, removed at publish.';
COMMENT ON COLUMN risk_internal.staged_changes.event_count IS 'Number of risk events that the walk met; null for a missing user.';
COMMENT ON COLUMN risk_internal.staged_changes.last_event IS 'Time of the newest risk event that the walk met; null for a missing user.';
COMMENT ON COLUMN risk_internal.staged_changes.lookup_outcome IS 'What the own record of a missing user said in this run; null if it was not looked up.';
COMMENT ON COLUMN risk_internal.staged_changes.last_reset_time IS 'When the user''s score was last reset, as the user''s own record says.';
COMMENT ON COLUMN risk_internal.staged_changes.end_reason IS 'Why this publish clears a missing user: reset or absent. Null if the user stays.';

COMMENT ON TABLE risk_internal.staged_rejected IS 'Rejected records on their way into quarantine. Filled and emptied inside one transaction. Unlogged. Personal data.';
COMMENT ON COLUMN risk_internal.staged_rejected.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.staged_rejected.record_hash IS 'As in rejected_records.';
COMMENT ON COLUMN risk_internal.staged_rejected.user_id IS 'The user, if the record says which; null otherwise.';
COMMENT ON COLUMN risk_internal.staged_rejected.reason IS 'Why the record was not accepted.';
COMMENT ON COLUMN risk_internal.staged_rejected.raw IS 'The record as JSON, cut at 4,096 characters; personal data.';

COMMENT ON TABLE risk_internal.staged_identities IS 'Identities that are being rewritten as hashes. Filled and emptied inside one transaction. Unlogged. No emails, no names.';
COMMENT ON COLUMN risk_internal.staged_identities.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.staged_identities.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk_internal.staged_identities.valid_from IS 'As in risk.user_identities.';
COMMENT ON COLUMN risk_internal.staged_identities.snapshot_id IS 'The value of the row that was read. A row that was written since then is left alone.';
COMMENT ON COLUMN risk_internal.staged_identities.email IS 'The hash of the email; null if there is none.';
COMMENT ON COLUMN risk_internal.staged_identities.name IS 'The hash of the name; null if there is none.';

COMMENT ON TABLE risk_internal.migrations IS 'The applied migrations, with the hash that each had at that time.';
COMMENT ON COLUMN risk_internal.migrations.id IS 'Order of application.';
COMMENT ON COLUMN risk_internal.migrations.hash IS 'SHA-256 of the SQL file as it was applied.';
COMMENT ON COLUMN risk_internal.migrations.created_at IS 'When the migration was written, in milliseconds since 1970. It identifies the migration.';

COMMENT ON TABLE risk_internal.request_budgets IS 'One row per set of credentials: the requests that all replicas have reserved in the newest window.';
COMMENT ON COLUMN risk_internal.request_budgets.identity IS 'SHA-256 of the credentials and the address of the API. The credentials cannot be read from it.';
COMMENT ON COLUMN risk_internal.request_budgets.window_ms IS 'Length of the window of the limit, in milliseconds.';
COMMENT ON COLUMN risk_internal.request_budgets.request_limit IS 'Requests that all replicas together may send in one window, as of the newest reservation.';
COMMENT ON COLUMN risk_internal.request_budgets.first_slice IS 'Number of the first slice, counted from 1970. A slice is a sixtieth of the window.';
COMMENT ON COLUMN risk_internal.request_budgets.slices IS 'Reserved requests by slice, from first_slice on. Slices may lie in the future.';
COMMENT ON COLUMN risk_internal.request_budgets.granted IS 'Requests of the newest reservation.';
COMMENT ON COLUMN risk_internal.request_budgets.booked_for IS 'From when on the requests of the newest reservation may go. No later reservation is for an earlier time.';
COMMENT ON COLUMN risk_internal.request_budgets.blocked_until IS 'Until when nobody asks, because the API answered 429; null if it never did.';
COMMENT ON COLUMN risk_internal.request_budgets.renewed_at IS 'When the newest reservation was made (database clock).';

COMMENT ON TABLE risk_internal.lookups IS 'The latest lookup of each user who was absent: what the user''s own record said. One row per user ever looked up.';
COMMENT ON COLUMN risk_internal.lookups.account_key IS 'The account (risk.accounts).';
COMMENT ON COLUMN risk_internal.lookups.user_key IS 'The user (risk.users).';
COMMENT ON COLUMN risk_internal.lookups.run_id IS 'The run that made the lookup (risk.sync_runs).';
COMMENT ON COLUMN risk_internal.lookups.asked_at IS 'When the answer was stored (database clock).';
COMMENT ON COLUMN risk_internal.lookups.outcome IS 'level: the user still has a level. reset (newer than every known event) and not_found: the user has none. no_level: no level, and no reset that would prove it. unreadable: the record did not say, contradicts itself, or names another person.';
COMMENT ON COLUMN risk_internal.lookups.level_at IS 'observed_at of the newest run in which the record showed a level; null if it never did.';

COMMENT ON TABLE risk_internal.erased_people IS 'One row per person who was erased, without personal data. With a hash of the real id, a person stays forgotten when the API serves them again.';
COMMENT ON COLUMN risk_internal.erased_people.user_id IS 'The random id that stands in the place of the person, in every account.';
COMMENT ON COLUMN risk_internal.erased_people.mode IS 'forget: the person stays erased when the API serves them again. once: they are then a new user.';
COMMENT ON COLUMN risk_internal.erased_people.user_hash IS 'HMAC-SHA-256 of Cloudflare''s id of the user, by the key in erasure_key. Pseudonymous data. Null after an erasure for once.';
COMMENT ON COLUMN risk_internal.erased_people.began_at IS 'When the erasure began.';
COMMENT ON COLUMN risk_internal.erased_people.finished_at IS 'When every account was done; null until then.';
COMMENT ON COLUMN risk_internal.erased_people.account_count IS 'Accounts in which the person was a user.';
COMMENT ON COLUMN risk_internal.erased_people.identity_count IS 'Versions of email and name that were erased.';
COMMENT ON COLUMN risk_internal.erased_people.rejected_count IS 'Rejected records that were deleted.';
COMMENT ON COLUMN risk_internal.erased_people.lookup_count IS 'Lookups that were deleted.';
COMMENT ON COLUMN risk_internal.erased_people.run_count IS 'Runs whose texts named the person, and no longer do.';

COMMENT ON TABLE risk_internal.erasure_key IS 'One row: the key that hashes the ids of erased people. Made at the first erasure.';
COMMENT ON COLUMN risk_internal.erasure_key.id IS 'Always 1.';
COMMENT ON COLUMN risk_internal.erasure_key.key IS 'Random text. A secret.';
