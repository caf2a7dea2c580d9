-- Autovacuum would never analyze so few rows. The planner then takes 710 accounts for granted, expects hardly any row of each,
-- and joins the rows of a whole account by nested loop.
ALTER TABLE "risk"."accounts" SET (autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0);
--> statement-breakpoint
ANALYZE "risk"."accounts";
--> statement-breakpoint
-- What people and BI tools ask. Days and hours are those of the session's time zone; see docs/reporting.md.
CREATE VIEW "risk_bi"."accounts" WITH (security_invoker = true) AS
SELECT a.account_id,
       a.label,
       a.added_at,
       a.retired_at,
       a.retired_at IS NOT NULL AS is_retired
  FROM risk.accounts a;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.accounts IS 'One row per account.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.accounts.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.accounts.label IS 'A name for people, set with the accounts command.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.accounts.added_at IS 'When this database first met the account.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.accounts.retired_at IS 'When the account was retired: its history stays, it is no longer synced. Null while active.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.accounts.is_retired IS 'Whether it is retired now.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."risk_levels" WITH (security_invoker = true) AS
SELECT v.level, v.rank, v.label
  FROM (VALUES ('low', 1, 'Low'), ('medium', 2, 'Medium'), ('high', 3, 'High')) AS v (level, rank, label);
--> statement-breakpoint
COMMENT ON VIEW risk_bi.risk_levels IS 'The levels with their order and a name for display.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_levels.level IS 'low, medium or high, as every other view has it.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_levels.rank IS '1 low, 2 medium, 3 high: to sort by.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_levels.label IS 'The level for display.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."dates" WITH (security_invoker = true) AS
SELECT d.day,
       extract(year FROM d.day)::integer AS year,
       extract(quarter FROM d.day)::integer AS quarter,
       extract(month FROM d.day)::integer AS month,
       to_char(d.day, 'FMMonth') AS month_name,
       extract(day FROM d.day)::integer AS day_of_month,
       extract(isoyear FROM d.day)::integer AS iso_year,
       extract(week FROM d.day)::integer AS iso_week,
       extract(isodow FROM d.day)::integer AS iso_weekday,
       to_char(d.day, 'FMDay') AS weekday_name,
       extract(isodow FROM d.day) > 5 AS is_weekend,
       d.day - (extract(isodow FROM d.day)::integer - 1) AS week_start,
       d.day - (extract(day FROM d.day)::integer - 1) AS month_start
  FROM (SELECT date '2020-01-01' + g AS day FROM generate_series(0, 11322) g) d;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.dates IS 'The days from 2020 to 2050, to join with the day of other views. One row per day.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.day IS 'The day.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.year IS 'Year.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.quarter IS 'Quarter, 1 to 4.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.month IS 'Month, 1 to 12.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.month_name IS 'Month in English.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.day_of_month IS 'Day of the month, 1 to 31.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.iso_year IS 'Year that the ISO week belongs to.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.iso_week IS 'ISO week, 1 to 53.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.iso_weekday IS '1 Monday to 7 Sunday.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.weekday_name IS 'Day of the week in English.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.is_weekend IS 'Saturday or Sunday.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.week_start IS 'Monday of its week.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.dates.month_start IS 'First day of its month.';
--> statement-breakpoint
CREATE OR REPLACE VIEW "risk_bi"."users" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       u.max_risk_level,
       u.event_count,
       u.last_event,
       u.level_since,
       u.first_seen_at,
       u.absent_since,
       u.cleared_at,
       u.max_risk_level IS NOT NULL AS is_present,
       a.retired_at IS NOT NULL AS is_account_retired
  FROM risk.users u
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
COMMENT ON VIEW risk_bi.users IS 'Current state of every user ever met, those of retired accounts included. No personal data beyond the id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.users.is_account_retired IS 'Whether the account is retired: leave such users out of totals of today.';
--> statement-breakpoint
CREATE OR REPLACE VIEW "risk_bi"."risk_level_by_snapshot" WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       l.max_risk_level,
       l.user_count,
       s.verdict,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.is_baseline
  FROM risk.snapshots s
  JOIN risk.snapshot_levels l USING (account_key, snapshot_id)
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
COMMENT ON VIEW risk_bi.risk_level_by_snapshot IS 'Users per level for every snapshot: the base of every trend. One row per snapshot and level, zeros included.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.share IS 'Their share of all present users, 0 to 1; null when nobody is present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.event_count IS 'Sum of their risk events.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.is_baseline IS 'Whether the snapshot is of the first load: up to and including the first complete one.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."user_identities" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       i.valid_from,
       i.valid_to,
       i.email,
       i.name,
       i.valid_to IS NULL AS is_current
  FROM risk.user_identities i
  JOIN risk.users u USING (account_key, user_key)
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
COMMENT ON VIEW risk_bi.user_identities IS 'Personal data: every email and name that a user has had. One row per user and version. Needs its own grant.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.valid_from IS 'Instant of the snapshot that brought this version.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.valid_to IS 'Instant of the snapshot that brought the next one; null for the current version, which stays while the user is cleared.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.email IS 'Personal data: the email; null when none was served.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.name IS 'Personal data: the name; null when none was served.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_identities.is_current IS 'Whether this is the current version.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."snapshots" WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       s.expected_unseen,
       s.is_baseline,
       s.user_count,
       s.met_count,
       s.carried_count,
       s.event_count,
       s.appeared,
       s.raised,
       s.lowered,
       s.cleared,
       s.returned
  FROM risk.snapshots s
  JOIN risk.accounts a USING (account_key);
--> statement-breakpoint
COMMENT ON VIEW risk_bi.snapshots IS 'One row per published snapshot, with its counts of users and of changes.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.snapshot_id IS 'The snapshot; rises in commit order.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.observed_at IS 'The instant it stands for.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.verdict IS 'complete, or partial: users that were not met are carried with their last state.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.expected_unseen IS 'Estimate of the present users that no pass met; null when it was not estimated.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.is_baseline IS 'Up to and including the account''s first complete snapshot: its changes are a first load, not news.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.user_count IS 'Present users: met and carried.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.met_count IS 'Present users that this walk met.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.carried_count IS 'Present users carried with their last state.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.event_count IS 'Sum of the risk events of all present users.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.appeared IS 'Users present for the first time.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.raised IS 'Users whose level rose.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.lowered IS 'Users whose level fell.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.cleared IS 'Users who are no longer present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.snapshots.returned IS 'Users present again after having been cleared.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."sync_runs" WITH (security_invoker = true) AS
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
--> statement-breakpoint
COMMENT ON VIEW risk_bi.sync_runs IS 'One row per finished attempt to sync an account. Without host and evidence, which are for operators.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.run_id IS 'Number of the attempt, rising; gaps mean nothing.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.trigger IS 'What started it: cron, cli or http.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.scheduled_for IS 'The slot of the schedule it ran for; null when started by hand.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.status IS 'succeeded, failed, or abandoned (its process died and another took over).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.verdict IS 'complete or partial; null when nothing was published.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.started_at IS 'When the attempt claimed the account.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.finished_at IS 'When it published, failed, or was found abandoned.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.duration_seconds IS 'From started_at to finished_at.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.passes IS 'How many times all pages were read.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.expected_unseen IS 'Estimate of the present users that no pass met; null when it was not estimated.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.pages IS 'Pages read.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.requests IS 'HTTP requests sent, retries included.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.retries IS 'Requests that were repeated after a failure.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.bytes IS 'Bytes of answers read.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.users_met IS 'Distinct users met, those of rejected records with a readable id included.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.duplicates IS 'Records beyond the first of their user in the last pass.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.rejected IS 'Records that were not accepted.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.total_first IS 'Total number of users as the first answer stated it; null when it stated none.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.total_last IS 'The same of the last answer.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.lookups IS 'Absent users whose own record was asked.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.error_code IS 'Stable code of the error (docs/runbook.md); null when there was none.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.error_message IS 'The error in words, without personal data.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_runs.snapshot_id IS 'The snapshot that it published; null when none.';
--> statement-breakpoint
-- Each bucket finds its last snapshot by index: a window over all snapshots would read them all, whatever the filter.
CREATE VIEW "risk_bi"."risk_level_hourly" WITH (security_invoker = true) AS
SELECT a.account_id,
       d.hour,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.hour AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict
  FROM risk.accounts a
  -- By GROUP BY and not by LIMIT: a lateral with LIMIT must not refer to accounts (Citus).
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.observed_at) AS first_at
      FROM risk.snapshots f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL generate_series(date_trunc('hour', b.first_at), least(now(), a.retired_at), interval '1 hour') AS d (hour)
  CROSS JOIN LATERAL (
    SELECT p.account_key, p.snapshot_id, p.observed_at, p.verdict, p.user_count
      FROM risk.snapshots p
     WHERE p.account_key = b.account_key AND p.observed_at < d.hour + interval '1 hour'
     ORDER BY p.observed_at DESC LIMIT 1) s
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.risk_level_hourly IS 'Users per level at the end of every hour, from the first snapshot until now or the hour in which the account was retired: the last snapshot up to then, zeros included. One row per account, hour and level.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.hour IS 'Start of the hour in the session''s time zone. Every hour has 60 minutes; when clocks are set back, one o''clock may come twice.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.max_risk_level IS 'low, medium or high.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.user_count IS 'Present users with this level.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.share IS 'Their share of all present users, 0 to 1; null when nobody is present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.event_count IS 'Sum of their risk events.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.is_observed IS 'Whether a snapshot was taken in the hour. False: the state is carried forward over a gap.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.snapshot_id IS 'The snapshot that the row shows.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.observed_at IS 'The instant it stands for.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_hourly.verdict IS 'Its verdict: complete or partial.';
--> statement-breakpoint
-- Midnight that comes twice (clocks set back over it) is the first of the two: hence the CASE. OFFSET 0: it is worked out
-- once per day, not once per row that is compared with it.
CREATE VIEW "risk_bi"."risk_level_daily" WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.starts_at AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict
  FROM risk.accounts a
  -- By GROUP BY and not by LIMIT: a lateral with LIMIT must not refer to accounts (Citus).
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.observed_at) AS first_at
      FROM risk.snapshots f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL (
    SELECT g::date AS day,
           CASE WHEN (g::timestamptz - interval '1 hour')::date = g::date THEN g::timestamptz - interval '1 hour' ELSE g::timestamptz END AS starts_at,
           CASE WHEN ((g + interval '1 day')::timestamptz - interval '1 hour')::date = (g + interval '1 day')::date THEN (g + interval '1 day')::timestamptz - interval '1 hour' ELSE (g + interval '1 day')::timestamptz END AS ends_at
      FROM generate_series(date_trunc('day', b.first_at::timestamp), least(now(), a.retired_at)::timestamp, interval '1 day') g
    OFFSET 0) d
  CROSS JOIN LATERAL (
    SELECT p.account_key, p.snapshot_id, p.observed_at, p.verdict, p.user_count
      FROM risk.snapshots p
     WHERE p.account_key = b.account_key AND p.observed_at < d.ends_at
     ORDER BY p.observed_at DESC LIMIT 1) s
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.risk_level_daily IS 'Users per level at the end of every day, from the first snapshot until today or the day on which the account was retired: the last snapshot up to then, zeros included. One row per account, day and level.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.day IS 'The day in the session''s time zone; 23 or 25 hours long when clocks are changed.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.max_risk_level IS 'low, medium or high.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.user_count IS 'Present users with this level.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.share IS 'Their share of all present users, 0 to 1; null when nobody is present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.event_count IS 'Sum of their risk events.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.is_observed IS 'Whether a snapshot was taken in the day. False: the state is carried forward over a gap.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.snapshot_id IS 'The snapshot that the row shows.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.observed_at IS 'The instant it stands for.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.risk_level_daily.verdict IS 'Its verdict: complete or partial.';
--> statement-breakpoint
-- The snapshot of a change is found by its instant: a period carries the id of the snapshot that wrote it last.
-- Whole queries on both sides of UNION ALL: a filter on a user reaches only those.
CREATE VIEW "risk_bi"."level_changes" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       s.observed_at AS changed_at,
       l.previous_level AS from_level,
       l.max_risk_level AS to_level,
       l.change,
       s.snapshot_id
  FROM risk.user_levels l
  JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
 WHERE NOT s.is_baseline
UNION ALL
SELECT a.account_id,
       u.user_id,
       s.observed_at,
       l.max_risk_level,
       NULL,
       'cleared',
       s.snapshot_id
  FROM risk.user_levels l
  JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_to
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
 WHERE NOT s.is_baseline AND l.end_reason <> 'changed';
--> statement-breakpoint
COMMENT ON VIEW risk_bi.level_changes IS 'Every change of a level, those of the first load (baseline) left out; changes of accounts that were retired later stay. One row per user and change.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.changed_at IS 'Instant of the snapshot that brought the change.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.from_level IS 'The level before; null when the user was not present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.to_level IS 'The level after; null when the user was cleared.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.change IS 'appeared (for the first time), raised, lowered, cleared, or returned (after having been cleared).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_changes.snapshot_id IS 'The snapshot that brought it.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."level_transitions_daily" WITH (security_invoker = true) AS
SELECT a.account_id,
       c.day,
       coalesce(c.from_level, 'none') AS from_level,
       coalesce(c.to_level, 'none') AS to_level,
       count(*)::integer AS change_count
  FROM (
    SELECT s.account_key, s.observed_at::date AS day, l.previous_level AS from_level, l.max_risk_level AS to_level
      FROM risk.snapshots s
      JOIN risk.user_levels l ON l.account_key = s.account_key AND l.valid_from = s.observed_at
     WHERE NOT s.is_baseline
    UNION ALL
    SELECT s.account_key, s.observed_at::date, l.max_risk_level, NULL
      FROM risk.snapshots s
      JOIN risk.user_levels l ON l.account_key = s.account_key AND l.valid_to = s.observed_at
     WHERE NOT s.is_baseline AND l.end_reason <> 'changed') c
  JOIN risk.accounts a ON a.account_key = c.account_key
 GROUP BY a.account_key, c.day, c.from_level, c.to_level;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.level_transitions_daily IS 'How many changes there were from which level to which, by day; the first load (baseline) left out. One row per account, day and pair of levels that occurred: no row, no change.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_transitions_daily.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_transitions_daily.day IS 'The day in the session''s time zone.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_transitions_daily.from_level IS 'The level before: low, medium, high, or none (not present).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_transitions_daily.to_level IS 'The level after: low, medium, high, or none (cleared).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.level_transitions_daily.change_count IS 'Changes. A user whose level rises and falls on one day counts twice.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."user_level_history" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from,
       l.valid_to,
       l.max_risk_level,
       l.previous_level,
       l.change,
       l.end_reason,
       l.absent_since,
       l.last_reset_time,
       coalesce(l.valid_to, (SELECT max(n.observed_at) FROM risk.snapshots n WHERE n.account_key = l.account_key)) - l.valid_from AS duration,
       extract(epoch FROM coalesce(l.valid_to, (SELECT max(n.observed_at) FROM risk.snapshots n WHERE n.account_key = l.account_key)) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline
  FROM risk.user_levels l
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.user_level_history IS 'Every period of a user at one level, retired accounts included. One row per user and period. A current period is measured to the newest snapshot, not to now: what came after has not been seen.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.valid_from IS 'Instant of the snapshot that opened the period.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.valid_to IS 'Instant of the snapshot that ended it, not included; null for the current one.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.max_risk_level IS 'The level of the period.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.previous_level IS 'The level before; null when the user was not present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.change IS 'How it began: appeared, raised, lowered or returned.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.end_reason IS 'How it ended: changed (another level), reset or absent (cleared); null for the current one.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.absent_since IS 'Of a period that ended by clearing: since when the user had not been met.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.last_reset_time IS 'When the score was reset, as the user''s own record says; null when it does not say.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.duration IS 'How long it lasted; a current one is measured to the newest snapshot.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.duration_seconds IS 'The same in seconds.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.user_level_history.is_baseline IS 'Whether it began with the first load: it may really have begun earlier. Null when that snapshot is no longer kept.';
--> statement-breakpoint
-- Grouped by the keys, which ids depend on: integers hash faster, and a filter on an id still reaches the tables. The
-- current period is the newest of its level.
CREATE VIEW "risk_bi"."time_at_level" WITH (security_invoker = true) AS
SELECT t.account_id,
       t.user_id,
       t.max_risk_level,
       t.period_count,
       justify_hours(t.duration) AS duration,
       extract(epoch FROM t.duration)::double precision AS duration_seconds,
       t.first_from,
       t.is_current
  FROM (
    SELECT a.account_id,
           u.user_id,
           l.max_risk_level,
           count(*)::integer AS period_count,
           coalesce(sum(l.valid_to - l.valid_from), interval '0')
             + CASE WHEN bool_or(l.valid_to IS NULL)
                 THEN (SELECT max(n.observed_at) FROM risk.snapshots n WHERE n.account_key = u.account_key) - max(l.valid_from)
                 ELSE interval '0' END AS duration,
           min(l.valid_from) AS first_from,
           bool_or(l.valid_to IS NULL) AS is_current
      FROM risk.user_levels l
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
      JOIN risk.accounts a ON a.account_key = l.account_key
     GROUP BY a.account_key, u.account_key, u.user_key, l.max_risk_level) t;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.time_at_level IS 'How long each user has been at each level, all periods together, retired accounts included. One row per user and level that they have had.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.max_risk_level IS 'low, medium or high.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.period_count IS 'Periods at this level.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.duration IS 'How long it lasted; a current one is measured to the newest snapshot.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.duration_seconds IS 'The same in seconds.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.first_from IS 'When the first of them began.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.time_at_level.is_current IS 'Whether the user has this level now.';
--> statement-breakpoint
-- The counters in force at its start were written at or before it: hence the inner max.
CREATE VIEW "risk_bi"."high_risk_episodes" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from AS started_at,
       l.valid_to AS ended_at,
       l.change,
       l.previous_level AS from_level,
       CASE l.end_reason WHEN 'changed' THEN 'lowered' ELSE l.end_reason END AS ended_by,
       (SELECT max(c.event_count)
          FROM risk.user_activity c
         WHERE c.account_key = l.account_key AND c.user_key = l.user_key
           AND c.observed_at >= (SELECT max(f.observed_at) FROM risk.user_activity f
                                  WHERE f.account_key = l.account_key AND f.user_key = l.user_key AND f.observed_at <= l.valid_from)
           AND c.observed_at < coalesce(l.valid_to, 'infinity')) AS peak_event_count,
       coalesce(l.valid_to, (SELECT max(n.observed_at) FROM risk.snapshots n WHERE n.account_key = l.account_key)) - l.valid_from AS duration,
       extract(epoch FROM coalesce(l.valid_to, (SELECT max(n.observed_at) FROM risk.snapshots n WHERE n.account_key = l.account_key)) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline
  FROM risk.user_levels l
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
 WHERE l.max_risk_level = 'high';
--> statement-breakpoint
COMMENT ON VIEW risk_bi.high_risk_episodes IS 'Every period of a user at level high, retired accounts included. One row per user and period.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.started_at IS 'Instant of the snapshot that found the user at high.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_at IS 'Instant of the snapshot that ended it; null while it lasts.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.change IS 'How it began: appeared, raised or returned.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level IS 'The level before; null when the user was not present.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_by IS 'lowered, reset or absent (cleared); null while it lasts.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.peak_event_count IS 'Highest number of risk events that was served during it.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration IS 'How long it lasted; a current one is measured to the newest snapshot.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration_seconds IS 'The same in seconds.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_baseline IS 'Whether it began with the first load: it may really have begun earlier. Null when that snapshot is no longer kept.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."returned_users" WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       p.valid_to AS cleared_at,
       p.end_reason,
       p.max_risk_level AS level_before,
       l.valid_from AS returned_at,
       l.max_risk_level AS level_after,
       l.valid_from - p.valid_to AS away,
       extract(epoch FROM l.valid_from - p.valid_to)::double precision AS away_seconds,
       s.snapshot_id
  FROM risk.user_levels l
  JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
  CROSS JOIN LATERAL (
    SELECT q.valid_to, q.end_reason, q.max_risk_level
      FROM risk.user_levels q
     WHERE q.account_key = l.account_key AND q.user_key = l.user_key AND q.valid_from < l.valid_from
     ORDER BY q.valid_from DESC LIMIT 1) p
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
 WHERE l.change = 'returned' AND NOT s.is_baseline;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.returned_users IS 'Users who were cleared and are back, after how long; the first load (baseline) left out. One row per user and return.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.cleared_at IS 'Instant of the snapshot that cleared the user.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.end_reason IS 'Why: reset or absent.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.level_before IS 'The level when cleared.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.returned_at IS 'Instant of the snapshot that found the user again.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.level_after IS 'The level on return.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.away IS 'From cleared_at to returned_at.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.away_seconds IS 'The same in seconds.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.returned_users.snapshot_id IS 'The snapshot that found the user again.';
--> statement-breakpoint
-- active_users is a subquery of its own, so that whoever does not select it does not pay for it.
CREATE VIEW "risk_bi"."activity_daily" WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       s.snapshot_count,
       s.appeared,
       s.raised,
       s.lowered,
       s.cleared,
       s.returned,
       (SELECT count(DISTINCT c.user_key)::integer
          FROM risk.user_activity c
         WHERE c.account_key = b.account_key AND c.observed_at > b.baseline_to
           AND c.observed_at >= d.starts_at AND c.observed_at < d.ends_at) AS active_users
  FROM risk.accounts a
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.observed_at) AS first_at,
           coalesce(max(f.observed_at) FILTER (WHERE f.is_baseline), '-infinity') AS baseline_to
      FROM risk.snapshots f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL (
    SELECT g::date AS day,
           CASE WHEN (g::timestamptz - interval '1 hour')::date = g::date THEN g::timestamptz - interval '1 hour' ELSE g::timestamptz END AS starts_at,
           CASE WHEN ((g + interval '1 day')::timestamptz - interval '1 hour')::date = (g + interval '1 day')::date THEN (g + interval '1 day')::timestamptz - interval '1 hour' ELSE (g + interval '1 day')::timestamptz END AS ends_at
      FROM generate_series(date_trunc('day', b.first_at::timestamp), least(now(), a.retired_at)::timestamp, interval '1 day') g
    OFFSET 0) d
  CROSS JOIN LATERAL (
    SELECT count(*)::integer AS snapshot_count,
           coalesce(sum(p.appeared) FILTER (WHERE NOT p.is_baseline), 0)::integer AS appeared,
           coalesce(sum(p.raised) FILTER (WHERE NOT p.is_baseline), 0)::integer AS raised,
           coalesce(sum(p.lowered) FILTER (WHERE NOT p.is_baseline), 0)::integer AS lowered,
           coalesce(sum(p.cleared) FILTER (WHERE NOT p.is_baseline), 0)::integer AS cleared,
           coalesce(sum(p.returned) FILTER (WHERE NOT p.is_baseline), 0)::integer AS returned
      FROM risk.snapshots p
     WHERE p.account_key = b.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at) s;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.activity_daily IS 'What happened on every day, from the first snapshot until today or the day on which the account was retired; the first load (baseline) left out of all counts but snapshot_count. One row per account and day, zeros included.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.day IS 'The day in the session''s time zone; 23 or 25 hours long when clocks are changed.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.snapshot_count IS 'Snapshots of the day. 0: the zeros beside it mean that nobody looked.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.appeared IS 'Users present for the first time.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.raised IS 'Times that a level rose.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.lowered IS 'Times that a level fell.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.cleared IS 'Times that a user was cleared.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.returned IS 'Times that a user came back.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.activity_daily.active_users IS 'Users whose event count or newest event changed, or who came with new ones. Reads the history of users: select it for spans of weeks rather than years.';
--> statement-breakpoint
CREATE VIEW "risk_bi"."sync_coverage" WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       r.run_count,
       r.succeeded_count,
       r.failed_count,
       r.abandoned_count,
       s.complete_count,
       s.partial_count,
       CASE WHEN e.slot_seconds IS NOT NULL THEN
         greatest(0, least(round(extract(epoch FROM d.ends_at - d.starts_at) / e.slot_seconds),
           ceil(extract(epoch FROM least(d.ends_at, now(), a.retired_at) - greatest(d.starts_at, b.first_slot)) / e.slot_seconds)))::integer
       END AS expected_slot_count,
       r.slot_count,
       r.slot_succeeded_count,
       s.largest_gap,
       extract(epoch FROM s.largest_gap)::double precision AS largest_gap_seconds,
       least(d.ends_at, now(), a.retired_at) - n.newest_at AS age_at_end,
       extract(epoch FROM least(d.ends_at, now(), a.retired_at) - n.newest_at)::double precision AS age_at_end_seconds
  FROM risk.accounts a
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.finished_at) AS first_at, min(f.scheduled_for) AS first_slot
      FROM risk.sync_runs f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL (
    SELECT g::date AS day,
           CASE WHEN (g::timestamptz - interval '1 hour')::date = g::date THEN g::timestamptz - interval '1 hour' ELSE g::timestamptz END AS starts_at,
           CASE WHEN ((g + interval '1 day')::timestamptz - interval '1 hour')::date = (g + interval '1 day')::date THEN (g + interval '1 day')::timestamptz - interval '1 hour' ELSE (g + interval '1 day')::timestamptz END AS ends_at
      FROM generate_series(date_trunc('day', b.first_at::timestamp), least(now(), a.retired_at)::timestamp, interval '1 day') g
    OFFSET 0) d
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE q.finished_at < d.ends_at)::integer AS run_count,
           count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'succeeded')::integer AS succeeded_count,
           count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'failed')::integer AS failed_count,
           count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'abandoned')::integer AS abandoned_count,
           count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at)::integer AS slot_count,
           count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at
             AND q.status = 'succeeded')::integer AS slot_succeeded_count
      FROM risk.sync_runs q
     WHERE q.account_key = b.account_key AND q.finished_at >= d.starts_at AND q.finished_at < d.ends_at + interval '24 hours') r
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE p.verdict = 'complete')::integer AS complete_count,
           count(*) FILTER (WHERE p.verdict = 'partial')::integer AS partial_count,
           max(p.observed_at - (SELECT max(o.observed_at) FROM risk.snapshots o
                                 WHERE o.account_key = p.account_key AND o.observed_at < p.observed_at)) AS largest_gap
      FROM risk.snapshots p
     WHERE p.account_key = b.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at) s
  CROSS JOIN LATERAL (
    SELECT max(p.observed_at) AS newest_at
      FROM risk.snapshots p WHERE p.account_key = b.account_key AND p.observed_at < d.ends_at) n
  -- The usual distance of slots: the median over the latest 50 scheduled runs of the last 31 days.
  CROSS JOIN LATERAL (
    SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY w.gap)) AS slot_seconds
      FROM (SELECT v.scheduled_for - lag(v.scheduled_for) OVER (ORDER BY v.scheduled_for) AS gap
              FROM (SELECT DISTINCT t.scheduled_for
                      FROM (SELECT q.scheduled_for FROM risk.sync_runs q
                             WHERE q.account_key = b.account_key AND b.first_slot IS NOT NULL AND q.scheduled_for IS NOT NULL
                               AND q.finished_at >= d.ends_at - interval '744 hours' AND q.finished_at < d.ends_at
                             ORDER BY q.finished_at DESC LIMIT 50) t) v) w) e;
--> statement-breakpoint
COMMENT ON VIEW risk_bi.sync_coverage IS 'How well every day was covered, from the first run until today or the day on which the account was retired. One row per account and day, days without a run included.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.account_id IS 'Cloudflare''s account id.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.day IS 'The day in the session''s time zone; 23 or 25 hours long when clocks are changed.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.run_count IS 'Attempts that ended on the day.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.succeeded_count IS 'Of them, those that succeeded.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.failed_count IS 'Of them, those that failed.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.abandoned_count IS 'Of them, those whose process died.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.complete_count IS 'Complete snapshots of the day.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.partial_count IS 'Partial snapshots of the day.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.expected_slot_count IS 'Estimate of the slots that the schedule had on the day so far: its length divided by the usual distance of slots, which is the median over the latest 50 scheduled runs of 31 days. Exact for schedules with even distances. Null when fewer than two slots are known.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.slot_count IS 'Slots of the day for which there was a run.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.slot_succeeded_count IS 'Slots of the day for which a run succeeded.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.largest_gap IS 'Longest time between a snapshot of the day and the one before it; null without a snapshot.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.largest_gap_seconds IS 'The same in seconds.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.age_at_end IS 'How old the newest snapshot was when the day ended, or is now: freshness. Null before the first snapshot.';
--> statement-breakpoint
COMMENT ON COLUMN risk_bi.sync_coverage.age_at_end_seconds IS 'The same in seconds.';
--> statement-breakpoint
CREATE FUNCTION "risk_bi"."compare"(account_id text, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (user_id uuid, change text, from_level text, to_level text)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t1 timestamptz;
  t2 timestamptz;
BEGIN
  IF compare.from_at > compare.to_at THEN
    RAISE EXCEPTION 'compare: from_at is later than to_at' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = compare.account_id;
  SELECT max(p.observed_at) INTO t1 FROM risk.snapshots p WHERE p.account_key = k AND p.observed_at <= compare.from_at;
  SELECT max(p.observed_at) INTO t2 FROM risk.snapshots p WHERE p.account_key = k AND p.observed_at <= compare.to_at;
  IF t2 IS NULL THEN
    RETURN;
  END IF;
  t1 := coalesce(t1, '-infinity');
  RETURN QUERY
  SELECT c.user_id,
         CASE WHEN c.level_at_from IS NULL AND c.first_seen_at > t1 THEN 'appeared'
              WHEN c.level_at_from IS NULL THEN 'returned'
              WHEN c.level_at_to IS NULL THEN 'cleared'
              WHEN array_position(array['low', 'medium', 'high'], c.level_at_to)
                 > array_position(array['low', 'medium', 'high'], c.level_at_from) THEN 'raised'
              ELSE 'lowered' END,
         c.level_at_from,
         c.level_at_to
    FROM (
      -- Whoever had no new period in between is in the one period at both instants: no second look.
      SELECT u.user_id, u.first_seen_at,
             CASE WHEN y.valid_from > t1 THEN CASE WHEN x.valid_to > t1 THEN x.max_risk_level END
                  WHEN y.valid_to IS NULL OR y.valid_to > t1 THEN y.max_risk_level END AS level_at_from,
             CASE WHEN y.valid_to IS NULL OR y.valid_to > t2 THEN y.max_risk_level END AS level_at_to
        FROM risk.users u
        CROSS JOIN LATERAL (
          SELECT p.valid_from, p.valid_to, p.max_risk_level FROM risk.user_levels p
           WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t2
           ORDER BY p.valid_from DESC LIMIT 1) y
        LEFT JOIN LATERAL (
          SELECT p.valid_to, p.max_risk_level FROM risk.user_levels p
           WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t1 AND y.valid_from > t1
           ORDER BY p.valid_from DESC LIMIT 1) x ON true
       WHERE u.account_key = k) c
   WHERE c.level_at_from IS DISTINCT FROM c.level_at_to;
END
$$;
--> statement-breakpoint
COMMENT ON FUNCTION risk_bi.compare(text, timestamptz, timestamptz) IS 'Whose level differs between the newest snapshots at or before two instants: appeared (not known before from_at), raised, lowered, cleared, or returned (known before, absent at from_at). Before the first snapshot nobody is present. No personal data.';