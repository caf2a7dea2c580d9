-- Written by `npm run db:views` from src/db/views: edit there.
-- src/db/views/accounts.sql
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
--> statement-breakpoint
-- src/db/views/compare.sql
-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard.
CREATE OR REPLACE FUNCTION risk_bi.compare(account_id text, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (user_id uuid, change text, from_level text, to_level text, from_level_rank integer, to_level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t1 timestamptz;
  t2 timestamptz;
  whole_since timestamptz;
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
  SELECT r.whole_since INTO whole_since FROM risk.retention r WHERE r.account_key = k AND r.dataset = 'levels';
  -- Before the first snapshot no user was present. Retention never changes that.
  IF coalesce(t1, t2) < whole_since THEN
    RAISE EXCEPTION 'compare: the history of account % is whole since % only, and older rows were deleted', compare.account_id, whole_since
      USING ERRCODE = 'ZT001', DETAIL = to_char(whole_since AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), HINT = 'risk_bi.retention says since when each part of the history is whole.';
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
         c.level_at_to,
         array_position(ARRAY['low', 'medium', 'high'], c.level_at_from),
         array_position(ARRAY['low', 'medium', 'high'], c.level_at_to)
    FROM (
      -- A user without a new period in between is in the same period at both instants, and needs no second lookup.
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

COMMENT ON FUNCTION risk_bi.compare(text, timestamptz, timestamptz) IS 'Users whose level differs between two instants. Each instant stands for the newest snapshot at or before it. change is appeared (not known before from_at), raised, lowered, cleared, or returned (known before, but not present at from_at). Before the first snapshot nobody is present. Refuses with SQLSTATE ZT001 if rows of the earlier instant were deleted (risk_bi.retention). No personal data.';
--> statement-breakpoint
-- src/db/views/dates.sql
-- For tools that draw a calendar or must show days without a row: they join with this view.
CREATE OR REPLACE VIEW risk_bi.dates WITH (security_invoker = true) AS
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

COMMENT ON VIEW risk_bi.dates IS 'The days from 2020 to 2050, to join with the day of other views. One row per day.';
COMMENT ON COLUMN risk_bi.dates.day IS 'The day.';
COMMENT ON COLUMN risk_bi.dates.year IS 'Year.';
COMMENT ON COLUMN risk_bi.dates.quarter IS 'Quarter, 1 to 4.';
COMMENT ON COLUMN risk_bi.dates.month IS 'Month, 1 to 12.';
COMMENT ON COLUMN risk_bi.dates.month_name IS 'Month in English.';
COMMENT ON COLUMN risk_bi.dates.day_of_month IS 'Day of the month, 1 to 31.';
COMMENT ON COLUMN risk_bi.dates.iso_year IS 'Year that the ISO week belongs to.';
COMMENT ON COLUMN risk_bi.dates.iso_week IS 'ISO week, 1 to 53.';
COMMENT ON COLUMN risk_bi.dates.iso_weekday IS '1 (Monday) to 7 (Sunday).';
COMMENT ON COLUMN risk_bi.dates.weekday_name IS 'Day of the week in English.';
COMMENT ON COLUMN risk_bi.dates.is_weekend IS 'Saturday or Sunday.';
COMMENT ON COLUMN risk_bi.dates.week_start IS 'Monday of the week.';
COMMENT ON COLUMN risk_bi.dates.month_start IS 'First day of the month.';
--> statement-breakpoint
-- src/db/views/days.sql
-- The CASE: if clocks are set back over midnight, midnight occurs twice, and the day begins at the first one. AT TIME
-- ZONE reads four names as fixed offsets, but a session that is set to one of them follows daylight saving. A place
-- with the same clocks replaces the name. The SET clause keeps PostgreSQL from inlining the query, so the days are
-- computed once. With ROWS as low as this, the planner finds the snapshots of each day by index. It would otherwise
-- read all snapshots, and hash them.
CREATE OR REPLACE FUNCTION risk_bi.days(from_at timestamptz, to_at timestamptz, time_zone text)
RETURNS TABLE (day date, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 SECURITY INVOKER
SET search_path = pg_catalog
AS $$
  SELECT b.day, b.starts_at, b.ends_at
    FROM (SELECT g::date AS day, m.starts_at, lead(m.starts_at) OVER (ORDER BY g) AS ends_at
            FROM (SELECT CASE upper(time_zone) WHEN 'CET' THEN 'Europe/Brussels' WHEN 'MET' THEN 'Europe/Brussels'
                                               WHEN 'EET' THEN 'Europe/Athens' WHEN 'WET' THEN 'Europe/Lisbon'
                                               ELSE time_zone END AS name) z
           CROSS JOIN LATERAL generate_series(date_trunc('day', from_at AT TIME ZONE z.name),
                                              to_at AT TIME ZONE z.name + interval '1 day',
                                              interval '1 day') g
           CROSS JOIN LATERAL (
             SELECT CASE WHEN ((g AT TIME ZONE z.name - interval '1 hour') AT TIME ZONE z.name)::date = g::date
                         THEN g AT TIME ZONE z.name - interval '1 hour'
                         ELSE g AT TIME ZONE z.name END AS starts_at) m) b
   WHERE b.ends_at IS NOT NULL
$$;

COMMENT ON FUNCTION risk_bi.days(timestamptz, timestamptz, text) IS 'The days of a time zone, from the day of the first instant to the day of the second one, and when each begins and ends. A day has 23 or 25 hours when the clocks change.';
--> statement-breakpoint
-- src/db/views/activity_daily.sql
-- active_users is its own subquery, so a query that does not select it does not compute it. It finds the day's activity
-- by the ids of the day's snapshots, because user_activity has an index on these ids. For Citus: GROUP BY in each
-- lateral subquery with aggregates, and see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.activity_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       coalesce(s.snapshot_count, 0) AS snapshot_count,
       coalesce(s.appeared, 0) AS appeared,
       coalesce(s.raised, 0) AS raised,
       coalesce(s.lowered, 0) AS lowered,
       coalesce(s.cleared, 0) AS cleared,
       coalesce(s.returned, 0) AS returned,
       CASE WHEN w.whole_since > d.starts_at THEN NULL ELSE
         (SELECT count(DISTINCT c.user_key)::integer
            FROM risk.user_activity c
           WHERE c.account_key = a.account_key AND c.snapshot_id >= s.first_news AND c.snapshot_id <= s.last_news) END AS active_users,
       coalesce(a.label, a.account_id) AS account_label
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  LEFT JOIN LATERAL (
    SELECT p.account_key,
           count(*)::integer AS snapshot_count,
           (sum(p.appeared) FILTER (WHERE NOT p.is_baseline))::integer AS appeared,
           (sum(p.raised) FILTER (WHERE NOT p.is_baseline))::integer AS raised,
           (sum(p.lowered) FILTER (WHERE NOT p.is_baseline))::integer AS lowered,
           (sum(p.cleared) FILTER (WHERE NOT p.is_baseline))::integer AS cleared,
           (sum(p.returned) FILTER (WHERE NOT p.is_baseline))::integer AS returned,
           min(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS first_news,
           max(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS last_news
      FROM risk.snapshots p
     WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at
     GROUP BY p.account_key) s ON true;

COMMENT ON VIEW risk_bi.activity_daily IS 'What happened on each day, from the first snapshot to today, or to the day on which the account was retired. Only snapshot_count includes the first load (baseline). One row per account and day, zeros included.';
COMMENT ON COLUMN risk_bi.activity_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.activity_daily.day IS 'The day, in the session''s time zone. It has 23 or 25 hours when the clocks change.';
COMMENT ON COLUMN risk_bi.activity_daily.snapshot_count IS 'Number of snapshots on the day. If it is 0, the other zeros only mean that nothing was observed.';
COMMENT ON COLUMN risk_bi.activity_daily.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.activity_daily.raised IS 'How often a level rose.';
COMMENT ON COLUMN risk_bi.activity_daily.lowered IS 'How often a level fell.';
COMMENT ON COLUMN risk_bi.activity_daily.cleared IS 'How often a user was cleared.';
COMMENT ON COLUMN risk_bi.activity_daily.returned IS 'How often a cleared user came back.';
COMMENT ON COLUMN risk_bi.activity_daily.active_users IS 'Users whose event count or newest event changed on the day, including users who appeared or returned with new ones. A user counts once on each day: never add it up over time. This column reads the history of users, so select it for weeks rather than years. Null for a day that began before the activity is whole (risk_bi.retention).';
COMMENT ON COLUMN risk_bi.activity_daily.account_label IS 'The account''s label, or its id if it has no label.';
--> statement-breakpoint
-- src/db/views/activity_daily_in.sql
-- The query of the view activity_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.activity_daily_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, day date, snapshot_count integer, appeared integer, raised integer, lowered integer,
  cleared integer, returned integer, active_users integer, account_label text)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         coalesce(s.snapshot_count, 0) AS snapshot_count,
         coalesce(s.appeared, 0) AS appeared,
         coalesce(s.raised, 0) AS raised,
         coalesce(s.lowered, 0) AS lowered,
         coalesce(s.cleared, 0) AS cleared,
         coalesce(s.returned, 0) AS returned,
         CASE WHEN w.whole_since > d.starts_at THEN NULL ELSE
           (SELECT count(DISTINCT c.user_key)::integer
              FROM risk.user_activity c
             WHERE c.account_key = a.account_key AND c.snapshot_id >= s.first_news AND c.snapshot_id <= s.last_news) END AS active_users,
         coalesce(a.label, a.account_id) AS account_label
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               from_at),
      least(here.now, a.retired_at, to_at), here.time_zone) d
    LEFT JOIN LATERAL (
      SELECT p.account_key,
             count(*)::integer AS snapshot_count,
             (sum(p.appeared) FILTER (WHERE NOT p.is_baseline))::integer AS appeared,
             (sum(p.raised) FILTER (WHERE NOT p.is_baseline))::integer AS raised,
             (sum(p.lowered) FILTER (WHERE NOT p.is_baseline))::integer AS lowered,
             (sum(p.cleared) FILTER (WHERE NOT p.is_baseline))::integer AS cleared,
             (sum(p.returned) FILTER (WHERE NOT p.is_baseline))::integer AS returned,
             min(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS first_news,
             max(p.snapshot_id) FILTER (WHERE NOT p.is_baseline) AS last_news
        FROM risk.snapshots p
       WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at
       GROUP BY p.account_key) s ON true
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids))
     -- Without this, an account without a snapshot would have days if from_at is given.
     AND EXISTS (SELECT FROM risk.snapshots f WHERE f.account_key = a.account_key);
END;

COMMENT ON FUNCTION risk_bi.activity_daily_in(text, text[], timestamptz, timestamptz) IS 'Like the view activity_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/feed_clock.sql
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
--> statement-breakpoint
-- src/db/views/feed_epochs.sql
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
--> statement-breakpoint
-- src/db/views/high_risk_episodes.sql
-- The inner max finds the counters that held when the period began: they were written at that instant or before. The
-- newest snapshot is looked up once per account, not once per period.
CREATE OR REPLACE VIEW risk_bi.high_risk_episodes WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from AS started_at,
       l.valid_to AS ended_at,
       l.change,
       l.previous_level AS from_level,
       CASE l.end_reason WHEN 'changed' THEN 'lowered' ELSE l.end_reason END AS ended_by,
       CASE WHEN w.whole_since > l.valid_from THEN NULL ELSE
         (SELECT max(c.event_count)
            FROM risk.user_activity c
           WHERE c.account_key = l.account_key AND c.user_key = l.user_key
             AND c.observed_at >= (SELECT max(f.observed_at) FROM risk.user_activity f
                                    WHERE f.account_key = l.account_key AND f.user_key = l.user_key AND f.observed_at <= l.valid_from)
             AND c.observed_at < coalesce(l.valid_to, 'infinity')) END AS peak_event_count,
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS from_level_rank
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
  LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
 WHERE l.max_risk_level = 'high';

COMMENT ON VIEW risk_bi.high_risk_episodes IS 'Every period of a user at level high, retired accounts included. One row per user and period.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.high_risk_episodes.started_at IS 'Instant of the snapshot that began the period.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_at IS 'Instant of the snapshot that ended the period; null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.change IS 'How the period began: appeared, raised or returned.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_by IS 'How the period ended: lowered, reset or absent. reset and absent mean that the user was cleared. Null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.peak_event_count IS 'Highest number of risk events that was served during the period. Never add it up over time. Null if the period began before the activity is whole (risk_bi.retention).';
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration_seconds IS 'Length of the period in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_baseline IS 'Whether the period began in the first load. If so, it may really have begun earlier. Null if its first snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_account_retired IS 'Whether the account is retired. If so, periods that still last have not been checked since.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level_rank IS 'The column from_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
--> statement-breakpoint
-- src/db/views/hours.sql
-- SET and ROWS: see days.
CREATE OR REPLACE FUNCTION risk_bi.hours(from_at timestamptz, to_at timestamptz, time_zone text)
RETURNS TABLE (hour timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 SECURITY INVOKER
SET search_path = pg_catalog
AS $$
  SELECT generate_series(date_trunc('hour', from_at, time_zone), to_at, interval '1 hour')
$$;

COMMENT ON FUNCTION risk_bi.hours(timestamptz, timestamptz, text) IS 'The hours of a time zone, from the hour of the first instant to the hour of the second one.';
--> statement-breakpoint
-- src/db/views/level_changes.sql
-- The snapshot of a change is found by its instant, because a period carries the id of the snapshot that wrote it last.
-- Both sides of UNION ALL are complete queries: only then does a filter on a user reach their tables. They begin with
-- account_key, because only then does Citus push them down.
CREATE OR REPLACE VIEW risk_bi.level_changes WITH (security_invoker = true) AS
SELECT c.account_id,
       c.user_id,
       c.changed_at,
       c.from_level,
       c.to_level,
       c.change,
       c.snapshot_id,
       c.account_label,
       c.from_level_rank,
       c.to_level_rank
  FROM (
    SELECT l.account_key,
           a.account_id,
           u.user_id,
           s.observed_at AS changed_at,
           l.previous_level AS from_level,
           l.max_risk_level AS to_level,
           l.change,
           s.snapshot_id,
           coalesce(a.label, a.account_id) AS account_label,
           array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS from_level_rank,
           array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS to_level_rank
      FROM risk.user_levels l
      JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
      JOIN risk.accounts a ON a.account_key = l.account_key
     WHERE NOT s.is_baseline
    UNION ALL
    SELECT l.account_key,
           a.account_id,
           u.user_id,
           s.observed_at,
           l.max_risk_level,
           NULL,
           'cleared',
           s.snapshot_id,
           coalesce(a.label, a.account_id),
           array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level),
           NULL
      FROM risk.user_levels l
      JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_to
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
      JOIN risk.accounts a ON a.account_key = l.account_key
     WHERE NOT s.is_baseline AND l.end_reason <> 'changed') c;

COMMENT ON VIEW risk_bi.level_changes IS 'Every change of a level, except in the first load (baseline). Changes of accounts that were retired later are included. One row per user and change. Changes before risk_bi.retention.whole_since may be gone.';
COMMENT ON COLUMN risk_bi.level_changes.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.level_changes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.level_changes.changed_at IS 'Instant of the snapshot that recorded the change.';
COMMENT ON COLUMN risk_bi.level_changes.from_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.level_changes.to_level IS 'The level after; null if the user was cleared.';
COMMENT ON COLUMN risk_bi.level_changes.change IS 'appeared (for the first time), raised, lowered, cleared, or returned (after having been cleared).';
COMMENT ON COLUMN risk_bi.level_changes.snapshot_id IS 'The snapshot that recorded the change.';
COMMENT ON COLUMN risk_bi.level_changes.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.level_changes.from_level_rank IS 'The column from_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
COMMENT ON COLUMN risk_bi.level_changes.to_level_rank IS 'The column to_level, for sorting: 1 low, 2 medium, 3 high; null if the user was cleared.';
--> statement-breakpoint
-- src/db/views/level_transitions_daily.sql
-- Works day by day, so it reads only the days and the account that are asked for.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.level_transitions_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       coalesce(c.from_level, 'none') AS from_level,
       coalesce(c.to_level, 'none') AS to_level,
       c.change_count,
       coalesce(a.label, a.account_id) AS account_label,
       coalesce(array_position(ARRAY['low', 'medium', 'high'], c.from_level), 0) AS from_level_rank,
       coalesce(array_position(ARRAY['low', 'medium', 'high'], c.to_level), 0) AS to_level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  -- The first load is before all other snapshots.
  JOIN risk.snapshots f ON f.account_key = a.account_key AND f.observed_at = (
    SELECT min(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND NOT p.is_baseline)
  CROSS JOIN LATERAL risk_bi.days(
    f.observed_at,
    (SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key), here.time_zone) d
  CROSS JOIN LATERAL (
    SELECT e.from_level, e.to_level, count(*)::integer AS change_count
      FROM (
        SELECT l.account_key, l.previous_level AS from_level, l.max_risk_level AS to_level
          FROM risk.user_levels l
         WHERE l.valid_from >= f.observed_at AND l.valid_from >= d.starts_at AND l.valid_from < d.ends_at
        UNION ALL
        SELECT l.account_key, l.max_risk_level, NULL
          FROM risk.user_levels l
         WHERE l.valid_to >= f.observed_at AND l.end_reason <> 'changed'
           AND l.valid_to >= d.starts_at AND l.valid_to < d.ends_at) e
     WHERE e.account_key = a.account_key
     GROUP BY e.account_key, e.from_level, e.to_level) c;

COMMENT ON VIEW risk_bi.level_transitions_daily IS 'Number of changes from each level to each other level, by day, except in the first load (baseline). One row per account, day and pair of levels that occurred. No row means no change, from risk_bi.retention.whole_since on.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.day IS 'The day, in the session''s time zone.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.from_level IS 'The level before: low, medium, high, or none (not present).';
COMMENT ON COLUMN risk_bi.level_transitions_daily.to_level IS 'The level after: low, medium, high, or none (cleared).';
COMMENT ON COLUMN risk_bi.level_transitions_daily.change_count IS 'Number of changes. A user whose level rises and falls on one day counts twice.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.from_level_rank IS 'The column from_level, for sorting: 0 none, 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.to_level_rank IS 'The column to_level, for sorting: 0 none, 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/level_transitions_daily_in.sql
-- The query of the view level_transitions_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.level_transitions_daily_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, day date, from_level text, to_level text, change_count integer,
  account_label text, from_level_rank integer, to_level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         coalesce(c.from_level, 'none') AS from_level,
         coalesce(c.to_level, 'none') AS to_level,
         c.change_count,
         coalesce(a.label, a.account_id) AS account_label,
         coalesce(array_position(ARRAY['low', 'medium', 'high'], c.from_level), 0) AS from_level_rank,
         coalesce(array_position(ARRAY['low', 'medium', 'high'], c.to_level), 0) AS to_level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    -- The first load is before all other snapshots.
    JOIN risk.snapshots f ON f.account_key = a.account_key AND f.observed_at = (
      SELECT min(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND NOT p.is_baseline)
    CROSS JOIN LATERAL risk_bi.days(
      greatest(f.observed_at, from_at),
      least((SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key), to_at), here.time_zone) d
    CROSS JOIN LATERAL (
      SELECT e.from_level, e.to_level, count(*)::integer AS change_count
        FROM (
          SELECT l.account_key, l.previous_level AS from_level, l.max_risk_level AS to_level
            FROM risk.user_levels l
           WHERE l.valid_from >= f.observed_at AND l.valid_from >= d.starts_at AND l.valid_from < d.ends_at
          UNION ALL
          SELECT l.account_key, l.max_risk_level, NULL
            FROM risk.user_levels l
           WHERE l.valid_to >= f.observed_at AND l.end_reason <> 'changed'
             AND l.valid_to >= d.starts_at AND l.valid_to < d.ends_at) e
       WHERE e.account_key = a.account_key
       GROUP BY e.account_key, e.from_level, e.to_level) c
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.level_transitions_daily_in(text, text[], timestamptz, timestamptz) IS 'Like the view level_transitions_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/retention.sql
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
--> statement-breakpoint
-- src/db/views/returned_users.sql
-- For each return, the index finds the period before it in one step.
CREATE OR REPLACE VIEW risk_bi.returned_users WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       p.valid_to AS cleared_at,
       p.end_reason,
       p.max_risk_level AS level_before,
       l.valid_from AS returned_at,
       l.max_risk_level AS level_after,
       extract(epoch FROM l.valid_from - p.valid_to)::double precision AS away_seconds,
       s.snapshot_id,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], p.max_risk_level) AS level_before_rank,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_after_rank
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

COMMENT ON VIEW risk_bi.returned_users IS 'Users who were cleared and came back, and how long they were away. Returns in the first load (baseline) are left out. Returns before risk_bi.retention.whole_since may be gone. One row per user and return.';
COMMENT ON COLUMN risk_bi.returned_users.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.returned_users.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.returned_users.cleared_at IS 'Instant of the snapshot that cleared the user.';
COMMENT ON COLUMN risk_bi.returned_users.end_reason IS 'Why the user was cleared: reset or absent.';
COMMENT ON COLUMN risk_bi.returned_users.level_before IS 'The level before the user was cleared.';
COMMENT ON COLUMN risk_bi.returned_users.returned_at IS 'Instant of the snapshot that found the user again.';
COMMENT ON COLUMN risk_bi.returned_users.level_after IS 'The level on return.';
COMMENT ON COLUMN risk_bi.returned_users.away_seconds IS 'Seconds from cleared_at to returned_at.';
COMMENT ON COLUMN risk_bi.returned_users.snapshot_id IS 'The snapshot that found the user again.';
COMMENT ON COLUMN risk_bi.returned_users.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.returned_users.level_before_rank IS 'The column level_before, for sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.returned_users.level_after_rank IS 'The column level_after, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_by_snapshot.sql
-- The counts are stored with each snapshot, so a trend does not read the history of users.
CREATE OR REPLACE VIEW risk_bi.risk_level_by_snapshot WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       l.max_risk_level,
       l.user_count,
       s.verdict,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.is_baseline,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM risk.snapshots s
  JOIN risk.snapshot_levels l USING (account_key, snapshot_id)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.risk_level_by_snapshot IS 'Users per level for every snapshot: the base of every trend. One row per snapshot and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.snapshot_id IS 'The snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.observed_at IS 'The instant of the snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.verdict IS 'complete, or partial (some users may have been missed). Users who were not met are carried with their last known state.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.is_baseline IS 'Whether the snapshot belongs to the first load, which ends with the account''s first complete snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_daily.sql
-- For each day, the index finds the last snapshot. A window over all snapshots would read them all, whatever the
-- filter. This query runs on one PostgreSQL and on Citus. Citus pushes a subquery with max() down, but no lateral
-- LIMIT. OFFSET 0 makes Citus compute now() and the time zone in the session, not on the workers.
CREATE OR REPLACE VIEW risk_bi.risk_level_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.starts_at AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;

COMMENT ON VIEW risk_bi.risk_level_daily IS 'Users per level at the end of each day, from the first snapshot to today, or to the day on which the account was retired. Each day shows the newest snapshot before its end. One row per account, day and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_daily.day IS 'The day, in the session''s time zone. It has 23 or 25 hours when the clocks change.';
COMMENT ON COLUMN risk_bi.risk_level_daily.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_daily.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.is_observed IS 'Whether a snapshot was taken on the day. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_daily.snapshot_id IS 'The snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_daily.observed_at IS 'The instant of the snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_daily.verdict IS 'Verdict of the snapshot that the row shows: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_daily.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_daily.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_daily_in.sql
-- The query of the view risk_level_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_daily_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, day date, max_risk_level text, user_count integer, share double precision,
  event_count bigint, is_observed boolean, snapshot_id bigint, observed_at timestamptz, verdict text,
  account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         l.max_risk_level,
         l.user_count,
         l.user_count::double precision / nullif(s.user_count, 0) AS share,
         l.event_count,
         s.observed_at >= d.starts_at AS is_observed,
         s.snapshot_id,
         s.observed_at,
         s.verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               from_at),
      least(here.now, a.retired_at, to_at), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.risk_level_daily_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/risk_level_hourly.sql
-- For each hour, the index finds the last snapshot. A window over all snapshots would read them all, whatever the
-- filter.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.risk_level_hourly WITH (security_invoker = true) AS
SELECT a.account_id,
       d.hour,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.hour AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.hours(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.hour + interval '1 hour')
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;

COMMENT ON VIEW risk_bi.risk_level_hourly IS 'Users per level at the end of each hour, from the first snapshot to now, or to the hour in which the account was retired. Each hour shows the newest snapshot before its end. One row per account, hour and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.hour IS 'Start of the hour, in the session''s time zone. Every hour has 60 minutes. When the clocks are set back, an hour such as one o''clock may come twice.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.is_observed IS 'Whether a snapshot was taken in the hour. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.snapshot_id IS 'The snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.observed_at IS 'The instant of the snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.verdict IS 'Verdict of the snapshot that the row shows: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_hourly_in.sql
-- The query of the view risk_level_hourly, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the hour reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_hourly_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, hour timestamptz, max_risk_level text, user_count integer, share double precision,
  event_count bigint, is_observed boolean, snapshot_id bigint, observed_at timestamptz, verdict text,
  account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.hour,
         l.max_risk_level,
         l.user_count,
         l.user_count::double precision / nullif(s.user_count, 0) AS share,
         l.event_count,
         s.observed_at >= d.hour AS is_observed,
         s.snapshot_id,
         s.observed_at,
         s.verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.hours(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               from_at),
      least(here.now, a.retired_at, to_at), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.hour + interval '1 hour')
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.risk_level_hourly_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_hourly, but with hours in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the hours from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/risk_level_monthly.sql
-- The days of risk_level_daily, grouped. It does not read that view: copies of the views with their owner's rights
-- (docs/reporting.md, "Pseudonyms") could not read it.
-- array_agg finds the last day, because PostgreSQL has no aggregate "last". A group has 31 rows at most.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.risk_level_monthly WITH (security_invoker = true) AS
SELECT a.account_id,
       date_trunc('month', d.day::timestamp)::date AS month_start,
       l.max_risk_level,
       (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
       (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
       (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
       sum(l.user_count)::double precision / count(*) AS average_user_count,
       sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
       sum(l.event_count)::double precision / count(*) AS average_event_count,
       count(*)::integer AS day_count,
       count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
       bool_or(s.observed_at >= d.starts_at) AS is_observed,
       max(s.snapshot_id) AS snapshot_id,
       max(s.observed_at) AS observed_at,
       (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
 GROUP BY a.account_key, a.account_id, a.label, date_trunc('month', d.day::timestamp)::date, l.max_risk_level;

COMMENT ON VIEW risk_bi.risk_level_monthly IS 'Users per level at the end of each month, and on average over its days, from the first snapshot to today, or to the day on which the account was retired. For charts that are too long for days. One row per account, month and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.month_start IS 'First day of the month. Months and days are in the session''s time zone.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.user_count IS 'Present users with this level at the end of the month, or now. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.share IS 'Share of user_count among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.event_count IS 'Sum of the risk events of the users in user_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_user_count IS 'Average of user_count over the days of the month, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_share IS 'Share of average_user_count among the average number of all present users, 0 to 1; null if nobody was present on any day. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_event_count IS 'Average of event_count over the days of the month, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.day_count IS 'Days of the month that the averages cover. Fewer than the month has in the first, the current and a retired account''s last month.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.observed_day_count IS 'Days in day_count with a snapshot of their own. The other days carry an earlier state forward.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.is_observed IS 'Whether a snapshot was taken in the month. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.snapshot_id IS 'The snapshot at the end of the month, which user_count, share and event_count show.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.observed_at IS 'The instant of that snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.verdict IS 'Verdict of that snapshot: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_monthly_in.sql
-- The query of the view risk_level_monthly, in a given time zone. Change both together. It is SQL, STABLE and without a
-- SET clause, so PostgreSQL inlines it, and a filter on the account or the month reaches the tables. Citus does not
-- inline it: there, the arguments with defaults take the place of the filter. BEGIN ATOMIC resolves names once, when
-- the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_monthly_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, month_start date, max_risk_level text, user_count integer, share double precision,
  event_count bigint, average_user_count double precision, average_share double precision,
  average_event_count double precision, day_count integer, observed_day_count integer, is_observed boolean,
  snapshot_id bigint, observed_at timestamptz, verdict text, account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         date_trunc('month', d.day::timestamp)::date AS month_start,
         l.max_risk_level,
         (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
         (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
         (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
         sum(l.user_count)::double precision / count(*) AS average_user_count,
         sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
         sum(l.event_count)::double precision / count(*) AS average_event_count,
         count(*)::integer AS day_count,
         count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
         bool_or(s.observed_at >= d.starts_at) AS is_observed,
         max(s.snapshot_id) AS snapshot_id,
         max(s.observed_at) AS observed_at,
         (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               date_trunc('month', from_at, time_zone)),
      least(here.now, a.retired_at, date_trunc('month', to_at, time_zone) + interval '1 month' - interval '12 hours'), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids))
   GROUP BY a.account_key, a.account_id, a.label, date_trunc('month', d.day::timestamp)::date, l.max_risk_level;
END;

COMMENT ON FUNCTION risk_bi.risk_level_monthly_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_monthly, but with months in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the months from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/risk_level_weekly.sql
-- The days of risk_level_daily, grouped. It does not read that view: copies of the views with their owner's rights
-- (docs/reporting.md, "Pseudonyms") could not read it.
-- array_agg finds the last day, because PostgreSQL has no aggregate "last". A group has 7 rows at most.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.risk_level_weekly WITH (security_invoker = true) AS
SELECT a.account_id,
       date_trunc('week', d.day::timestamp)::date AS week_start,
       l.max_risk_level,
       (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
       (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
       (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
       sum(l.user_count)::double precision / count(*) AS average_user_count,
       sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
       sum(l.event_count)::double precision / count(*) AS average_event_count,
       count(*)::integer AS day_count,
       count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
       bool_or(s.observed_at >= d.starts_at) AS is_observed,
       max(s.snapshot_id) AS snapshot_id,
       max(s.observed_at) AS observed_at,
       (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
 GROUP BY a.account_key, a.account_id, a.label, date_trunc('week', d.day::timestamp)::date, l.max_risk_level;

COMMENT ON VIEW risk_bi.risk_level_weekly IS 'Users per level at the end of each ISO week, and on average over its days, from the first snapshot to today, or to the day on which the account was retired. For charts that are too long for days. One row per account, week and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.week_start IS 'Monday of the ISO week. Weeks and days are in the session''s time zone.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.user_count IS 'Present users with this level at the end of the week, or now. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.share IS 'Share of user_count among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.event_count IS 'Sum of the risk events of the users in user_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.average_user_count IS 'Average of user_count over the days of the week, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.average_share IS 'Share of average_user_count among the average number of all present users, 0 to 1; null if nobody was present on any day. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.average_event_count IS 'Average of event_count over the days of the week, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.day_count IS 'Days of the week that the averages cover. Fewer than the week has in the first, the current and a retired account''s last week.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.observed_day_count IS 'Days in day_count with a snapshot of their own. The other days carry an earlier state forward.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.is_observed IS 'Whether a snapshot was taken in the week. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.snapshot_id IS 'The snapshot at the end of the week, which user_count, share and event_count show.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.observed_at IS 'The instant of that snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.verdict IS 'Verdict of that snapshot: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_weekly.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/risk_level_weekly_in.sql
-- The query of the view risk_level_weekly, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the week reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.risk_level_weekly_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, week_start date, max_risk_level text, user_count integer, share double precision,
  event_count bigint, average_user_count double precision, average_share double precision,
  average_event_count double precision, day_count integer, observed_day_count integer, is_observed boolean,
  snapshot_id bigint, observed_at timestamptz, verdict text, account_label text, level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         date_trunc('week', d.day::timestamp)::date AS week_start,
         l.max_risk_level,
         (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
         (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
         (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
         sum(l.user_count)::double precision / count(*) AS average_user_count,
         sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
         sum(l.event_count)::double precision / count(*) AS average_event_count,
         count(*)::integer AS day_count,
         count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
         bool_or(s.observed_at >= d.starts_at) AS is_observed,
         max(s.snapshot_id) AS snapshot_id,
         max(s.observed_at) AS observed_at,
         (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
         coalesce(a.label, a.account_id) AS account_label,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL risk_bi.days(
      greatest((SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
               date_trunc('week', from_at, time_zone)),
      least(here.now, a.retired_at, date_trunc('week', to_at, time_zone) + interval '156 hours'), here.time_zone) d
    JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
      SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
    JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids))
   GROUP BY a.account_key, a.account_id, a.label, date_trunc('week', d.day::timestamp)::date, l.max_risk_level;
END;

COMMENT ON FUNCTION risk_bi.risk_level_weekly_in(text, text[], timestamptz, timestamptz) IS 'Like the view risk_level_weekly, but with weeks in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the weeks from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/risk_levels.sql
-- Levels are text: without this view, tools would sort them alphabetically.
CREATE OR REPLACE VIEW risk_bi.risk_levels WITH (security_invoker = true) AS
SELECT v.level, v.rank, v.label
  FROM (VALUES ('low', 1, 'Low'), ('medium', 2, 'Medium'), ('high', 3, 'High')) AS v (level, rank, label);

COMMENT ON VIEW risk_bi.risk_levels IS 'The levels with their order and a name for display.';
COMMENT ON COLUMN risk_bi.risk_levels.level IS 'low, medium or high, as in all other views.';
COMMENT ON COLUMN risk_bi.risk_levels.rank IS 'For sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.risk_levels.label IS 'The level for display.';
--> statement-breakpoint
-- src/db/views/snapshot_users.sql
-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard. In a distributed history, two accounts may have a snapshot with the same id: the second form needs the
-- account. Personal data has its own grant: by default, no role may execute these functions.
CREATE OR REPLACE FUNCTION risk_bi.snapshot_users(account_id text, snapshot_id bigint)
RETURNS TABLE (
  user_id uuid, email text, name text, max_risk_level text, event_count integer, last_event timestamptz,
  level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  t timestamptz;
  whole_since timestamptz;
BEGIN
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = snapshot_users.account_id;
  SELECT p.observed_at INTO t
    FROM risk.snapshots p WHERE p.account_key = k AND p.snapshot_id = snapshot_users.snapshot_id;
  IF t IS NULL THEN
    RETURN;
  END IF;
  SELECT max(r.whole_since) INTO whole_since
    FROM risk.retention r WHERE r.account_key = k AND r.dataset IN ('activity', 'levels', 'identities');
  IF t < whole_since THEN
    RAISE EXCEPTION 'snapshot_users: the history of account % is whole since % only, and older rows were deleted', snapshot_users.account_id, whole_since
      USING ERRCODE = 'ZT001', DETAIL = to_char(whole_since AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), HINT = 'risk_bi.retention says since when each part of the history is whole.';
  END IF;
  RETURN QUERY
  SELECT u.user_id, i.email, i.name, l.max_risk_level, c.event_count, c.last_event,
         array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level)
    FROM risk.users u
    CROSS JOIN LATERAL (
      SELECT p.max_risk_level, p.valid_to FROM risk.user_levels p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) l
    CROSS JOIN LATERAL (
      SELECT p.event_count, p.last_event FROM risk.user_activity p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.observed_at <= t
       ORDER BY p.observed_at DESC LIMIT 1) c
    CROSS JOIN LATERAL (
      SELECT p.email, p.name FROM risk.user_identities p
       WHERE p.account_key = k AND p.user_key = u.user_key AND p.valid_from <= t
       ORDER BY p.valid_from DESC LIMIT 1) i
   WHERE u.account_key = k AND (l.valid_to IS NULL OR l.valid_to > t);
END
$$;

CREATE OR REPLACE FUNCTION risk_bi.snapshot_users(snapshot_id bigint)
RETURNS TABLE (
  user_id uuid, email text, name text, max_risk_level text, event_count integer, last_event timestamptz,
  level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  ids text[];
BEGIN
  SELECT array_agg(a.account_id) INTO ids
    FROM risk.snapshots p
    JOIN risk.accounts a ON a.account_key = p.account_key
   WHERE p.snapshot_id = snapshot_users.snapshot_id;
  IF cardinality(ids) > 1 THEN
    RAISE EXCEPTION 'snapshot % exists in % accounts', snapshot_users.snapshot_id, cardinality(ids)
      USING ERRCODE = 'cardinality_violation',
            HINT = 'This history is distributed. Call risk_bi.snapshot_users(account_id, snapshot_id).';
  END IF;
  RETURN QUERY SELECT u.* FROM risk_bi.snapshot_users(ids[1], snapshot_users.snapshot_id) u;
END
$$;

REVOKE ALL ON FUNCTION risk_bi.snapshot_users(text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION risk_bi.snapshot_users(bigint) FROM PUBLIC;

COMMENT ON FUNCTION risk_bi.snapshot_users(text, bigint) IS 'One snapshot of an account, rebuilt row by row: the six fields of every present user. Refuses with SQLSTATE ZT001 if rows of that time were deleted (risk_bi.retention). Personal data: needs its own grant.';
COMMENT ON FUNCTION risk_bi.snapshot_users(bigint) IS 'The same by the id alone. An error if several accounts have a snapshot of this id, which is possible in a distributed history only.';
--> statement-breakpoint
-- src/db/views/snapshots.sql
-- Has the account id, which people know, instead of account_key.
CREATE OR REPLACE VIEW risk_bi.snapshots WITH (security_invoker = true) AS
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
       s.returned,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.snapshots s
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.snapshots IS 'One row per published snapshot, with its counts of users and of changes.';
COMMENT ON COLUMN risk_bi.snapshots.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.snapshots.snapshot_id IS 'The snapshot. Ids rise in commit order.';
COMMENT ON COLUMN risk_bi.snapshots.observed_at IS 'The instant of the snapshot.';
COMMENT ON COLUMN risk_bi.snapshots.verdict IS 'complete, or partial (some users may have been missed). Users who were not met are carried with their last known state.';
COMMENT ON COLUMN risk_bi.snapshots.expected_unseen IS 'Estimate of the present users that no pass met; null if there is no estimate. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.is_baseline IS 'True up to and including the account''s first complete snapshot. The changes of such snapshots are a first load, not news.';
COMMENT ON COLUMN risk_bi.snapshots.user_count IS 'Present users: met_count + carried_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.met_count IS 'Present users with an accepted record in this run. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.carried_count IS 'Present users without an accepted record in this run, kept with their last known state. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.event_count IS 'Sum of the risk events of all present users. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.snapshots.raised IS 'Users whose level rose.';
COMMENT ON COLUMN risk_bi.snapshots.lowered IS 'Users whose level fell.';
COMMENT ON COLUMN risk_bi.snapshots.cleared IS 'Users who were present before and are no longer present.';
COMMENT ON COLUMN risk_bi.snapshots.returned IS 'Users who were cleared before and are present again.';
COMMENT ON COLUMN risk_bi.snapshots.account_label IS 'The account''s label, or its id if it has no label.';
--> statement-breakpoint
-- src/db/views/sync_coverage.sql
-- The expected number of slots is a subquery in the list of columns: Citus accepts LIMIT there.
-- For Citus: GROUP BY in each lateral subquery with aggregates, and see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.sync_coverage WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       coalesce(r.run_count, 0) AS run_count,
       coalesce(r.succeeded_count, 0) AS succeeded_count,
       coalesce(r.failed_count, 0) AS failed_count,
       coalesce(r.abandoned_count, 0) AS abandoned_count,
       coalesce(s.complete_count, 0) AS complete_count,
       coalesce(s.partial_count, 0) AS partial_count,
       -- The usual distance between slots: the median over the ten newest slots that had a run. The month is counted
       -- back from the newest run. So if nothing runs, slots stay missed without end. If runs go on without slots, no
       -- slot is expected after a month.
       (SELECT greatest(0, least(round(extract(epoch FROM d.ends_at - d.starts_at) / e.slot_seconds),
                 ceil(extract(epoch FROM least(d.ends_at, here.now, a.retired_at) - greatest(d.starts_at, b.first_slot)) / e.slot_seconds)))::integer
          FROM (SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY w.gap)) AS slot_seconds
                  FROM (SELECT v.scheduled_for - lag(v.scheduled_for) OVER (ORDER BY v.scheduled_for) AS gap
                          FROM (SELECT max(z.finished_at) - interval '744 hours' AS since
                                  FROM risk.sync_runs z WHERE z.account_key = a.account_key AND z.finished_at < d.ends_at) m
                          -- A slot that fails for a day is tried a hundred times. The newest attempts alone would show
                          -- only this slot.
                          CROSS JOIN LATERAL (
                            (SELECT q.scheduled_for FROM risk.sync_runs q
                              WHERE q.account_key = a.account_key AND q.scheduled_for IS NOT NULL
                                AND q.finished_at < d.ends_at AND q.finished_at >= m.since
                              ORDER BY q.finished_at DESC LIMIT 50)
                            UNION
                            (SELECT q.scheduled_for FROM risk.sync_runs q
                              WHERE q.account_key = a.account_key AND q.status = 'succeeded'
                                AND q.scheduled_for < d.ends_at AND q.scheduled_for >= m.since
                              ORDER BY q.scheduled_for DESC LIMIT 10)
                            ORDER BY scheduled_for DESC LIMIT 10) v
                         WHERE b.first_slot IS NOT NULL) w) e
         WHERE e.slot_seconds IS NOT NULL) AS expected_slot_count,
       coalesce(r.slot_count, 0) AS slot_count,
       coalesce(r.slot_succeeded_count, 0) AS slot_succeeded_count,
       extract(epoch FROM s.largest_gap)::double precision AS largest_gap_seconds,
       extract(epoch FROM least(d.ends_at, here.now, a.retired_at) - (
         SELECT max(p.observed_at) FROM risk.snapshots p
          WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at))::double precision AS age_at_end_seconds,
       coalesce(a.label, a.account_id) AS account_label
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.finished_at) AS first_at, min(f.scheduled_for) AS first_slot
      FROM risk.sync_runs f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL risk_bi.days(b.first_at, least(here.now, a.retired_at), here.time_zone) d
  LEFT JOIN LATERAL (
    SELECT q.account_key,
           (count(*) FILTER (WHERE q.finished_at < d.ends_at))::integer AS run_count,
           (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'succeeded'))::integer AS succeeded_count,
           (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'failed'))::integer AS failed_count,
           (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'abandoned'))::integer AS abandoned_count,
           (count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at))::integer AS slot_count,
           (count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at
             AND q.status = 'succeeded'))::integer AS slot_succeeded_count
      FROM risk.sync_runs q
     WHERE q.account_key = a.account_key AND q.finished_at >= d.starts_at AND q.finished_at < d.ends_at + interval '24 hours'
     GROUP BY q.account_key) r ON true
  LEFT JOIN LATERAL (
    SELECT p.account_key,
           (count(*) FILTER (WHERE p.verdict = 'complete'))::integer AS complete_count,
           (count(*) FILTER (WHERE p.verdict = 'partial'))::integer AS partial_count,
           max(p.observed_at - (SELECT max(o.observed_at) FROM risk.snapshots o
                                 WHERE o.account_key = p.account_key AND o.observed_at < p.observed_at)) AS largest_gap
      FROM risk.snapshots p
     WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at
     GROUP BY p.account_key) s ON true;

COMMENT ON VIEW risk_bi.sync_coverage IS 'How well each day was covered by runs, from the first run to today, or to the day on which the account was retired. One row per account and day, including days without a run. Without runs that were deleted (risk_bi.retention), it begins with the first that is kept.';
COMMENT ON COLUMN risk_bi.sync_coverage.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.sync_coverage.day IS 'The day, in the session''s time zone. It has 23 or 25 hours when the clocks change.';
COMMENT ON COLUMN risk_bi.sync_coverage.run_count IS 'Runs that ended on the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.succeeded_count IS 'Runs of the day that succeeded.';
COMMENT ON COLUMN risk_bi.sync_coverage.failed_count IS 'Runs of the day that failed.';
COMMENT ON COLUMN risk_bi.sync_coverage.abandoned_count IS 'Runs of the day whose process died.';
COMMENT ON COLUMN risk_bi.sync_coverage.complete_count IS 'Complete snapshots of the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.partial_count IS 'Partial snapshots of the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.expected_slot_count IS 'How many slots the day should have had so far. The estimate uses the median distance between the ten newest slots that had a run before the end of the day. Null if fewer than two such slots are known from the month before the newest run. So it becomes null a month after the last slot if later runs were started by other means.';
COMMENT ON COLUMN risk_bi.sync_coverage.slot_count IS 'Slots of the day that had a run.';
COMMENT ON COLUMN risk_bi.sync_coverage.slot_succeeded_count IS 'Slots of the day with a run that succeeded.';
COMMENT ON COLUMN risk_bi.sync_coverage.largest_gap_seconds IS 'Longest time in seconds between a snapshot of the day and the snapshot before it. Never add it up over time. Null if the day has no snapshot, or only the very first one.';
COMMENT ON COLUMN risk_bi.sync_coverage.age_at_end_seconds IS 'Freshness: age in seconds of the newest snapshot at the end of the day, when the account was retired, or now, whichever comes first. A stock, not a flow: never add it up over time. Null before the first snapshot.';
COMMENT ON COLUMN risk_bi.sync_coverage.account_label IS 'The account''s label, or its id if it has no label.';
--> statement-breakpoint
-- src/db/views/sync_coverage_in.sql
-- The query of the view sync_coverage, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.sync_coverage_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
RETURNS TABLE (
  account_id text, day date, run_count integer, succeeded_count integer, failed_count integer,
  abandoned_count integer, complete_count integer, partial_count integer, expected_slot_count integer,
  slot_count integer, slot_succeeded_count integer, largest_gap_seconds double precision,
  age_at_end_seconds double precision, account_label text)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         coalesce(r.run_count, 0) AS run_count,
         coalesce(r.succeeded_count, 0) AS succeeded_count,
         coalesce(r.failed_count, 0) AS failed_count,
         coalesce(r.abandoned_count, 0) AS abandoned_count,
         coalesce(s.complete_count, 0) AS complete_count,
         coalesce(s.partial_count, 0) AS partial_count,
         -- The usual distance between slots: the median over the ten newest slots that had a run. The month is counted
         -- back from the newest run. So if nothing runs, slots stay missed without end. If runs go on without slots, no
         -- slot is expected after a month.
         (SELECT greatest(0, least(round(extract(epoch FROM d.ends_at - d.starts_at) / e.slot_seconds),
                   ceil(extract(epoch FROM least(d.ends_at, here.now, a.retired_at) - greatest(d.starts_at, b.first_slot)) / e.slot_seconds)))::integer
            FROM (SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY w.gap)) AS slot_seconds
                    FROM (SELECT v.scheduled_for - lag(v.scheduled_for) OVER (ORDER BY v.scheduled_for) AS gap
                            FROM (SELECT max(z.finished_at) - interval '744 hours' AS since
                                    FROM risk.sync_runs z WHERE z.account_key = a.account_key AND z.finished_at < d.ends_at) m
                            -- A slot that fails for a day is tried a hundred times. The newest attempts alone would
                            -- show only this slot.
                            CROSS JOIN LATERAL (
                              (SELECT q.scheduled_for FROM risk.sync_runs q
                                WHERE q.account_key = a.account_key AND q.scheduled_for IS NOT NULL
                                  AND q.finished_at < d.ends_at AND q.finished_at >= m.since
                                ORDER BY q.finished_at DESC LIMIT 50)
                              UNION
                              (SELECT q.scheduled_for FROM risk.sync_runs q
                                WHERE q.account_key = a.account_key AND q.status = 'succeeded'
                                  AND q.scheduled_for < d.ends_at AND q.scheduled_for >= m.since
                                ORDER BY q.scheduled_for DESC LIMIT 10)
                              ORDER BY scheduled_for DESC LIMIT 10) v
                           WHERE b.first_slot IS NOT NULL) w) e
           WHERE e.slot_seconds IS NOT NULL) AS expected_slot_count,
         coalesce(r.slot_count, 0) AS slot_count,
         coalesce(r.slot_succeeded_count, 0) AS slot_succeeded_count,
         extract(epoch FROM s.largest_gap)::double precision AS largest_gap_seconds,
         extract(epoch FROM least(d.ends_at, here.now, a.retired_at) - (
           SELECT max(p.observed_at) FROM risk.snapshots p
            WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at))::double precision AS age_at_end_seconds,
         coalesce(a.label, a.account_id) AS account_label
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    CROSS JOIN LATERAL (
      SELECT f.account_key, min(f.finished_at) AS first_at, min(f.scheduled_for) AS first_slot
        FROM risk.sync_runs f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
    CROSS JOIN LATERAL risk_bi.days(
      greatest(b.first_at, from_at), least(here.now, a.retired_at, to_at), here.time_zone) d
    LEFT JOIN LATERAL (
      SELECT q.account_key,
             (count(*) FILTER (WHERE q.finished_at < d.ends_at))::integer AS run_count,
             (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'succeeded'))::integer AS succeeded_count,
             (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'failed'))::integer AS failed_count,
             (count(*) FILTER (WHERE q.finished_at < d.ends_at AND q.status = 'abandoned'))::integer AS abandoned_count,
             (count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at))::integer AS slot_count,
             (count(DISTINCT q.scheduled_for) FILTER (WHERE q.scheduled_for >= d.starts_at AND q.scheduled_for < d.ends_at
               AND q.status = 'succeeded'))::integer AS slot_succeeded_count
        FROM risk.sync_runs q
       WHERE q.account_key = a.account_key AND q.finished_at >= d.starts_at AND q.finished_at < d.ends_at + interval '24 hours'
       GROUP BY q.account_key) r ON true
    LEFT JOIN LATERAL (
      SELECT p.account_key,
             (count(*) FILTER (WHERE p.verdict = 'complete'))::integer AS complete_count,
             (count(*) FILTER (WHERE p.verdict = 'partial'))::integer AS partial_count,
             max(p.observed_at - (SELECT max(o.observed_at) FROM risk.snapshots o
                                   WHERE o.account_key = p.account_key AND o.observed_at < p.observed_at)) AS largest_gap
        FROM risk.snapshots p
       WHERE p.account_key = a.account_key AND p.observed_at >= d.starts_at AND p.observed_at < d.ends_at
       GROUP BY p.account_key) s ON true
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.sync_coverage_in(text, text[], timestamptz, timestamptz) IS 'Like the view sync_coverage, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
--> statement-breakpoint
-- src/db/views/sync_runs.sql
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
--> statement-breakpoint
-- src/db/views/time_at_level.sql
-- Groups by the keys, which determine the ids: integers hash faster, and a filter on an id still reaches the tables.
-- The current period is the newest one of its level. The newest snapshot is looked up once per account, not once per
-- period.
CREATE OR REPLACE VIEW risk_bi.time_at_level WITH (security_invoker = true) AS
SELECT t.account_id,
       t.user_id,
       t.max_risk_level,
       t.period_count,
       extract(epoch FROM t.duration)::double precision AS duration_seconds,
       t.first_from,
       t.is_current,
       t.is_account_retired,
       t.account_label,
       array_position(ARRAY['low', 'medium', 'high'], t.max_risk_level) AS level_rank
  FROM (
    SELECT a.account_id,
           u.user_id,
           l.max_risk_level,
           count(*)::integer AS period_count,
           coalesce(sum(l.valid_to - l.valid_from), interval '0')
             + CASE WHEN bool_or(l.valid_to IS NULL) THEN n.newest_at - max(l.valid_from) ELSE interval '0' END AS duration,
           min(l.valid_from) AS first_from,
           bool_or(l.valid_to IS NULL) AS is_current,
           a.retired_at IS NOT NULL AS is_account_retired,
           coalesce(a.label, a.account_id) AS account_label
      FROM risk.accounts a
      CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
      JOIN risk.user_levels l ON l.account_key = a.account_key
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
     GROUP BY a.account_key, a.account_id, a.label, a.retired_at, n.newest_at, u.account_key, u.user_key, u.user_id, l.max_risk_level) t;

COMMENT ON VIEW risk_bi.time_at_level IS 'How long each user has been at each level, over all periods, retired accounts included. Without periods that were deleted (risk_bi.retention). One row per user and level that the user has had.';
COMMENT ON COLUMN risk_bi.time_at_level.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.time_at_level.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.time_at_level.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.time_at_level.period_count IS 'Periods at this level.';
COMMENT ON COLUMN risk_bi.time_at_level.duration_seconds IS 'Total time at this level, in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.time_at_level.first_from IS 'When the first period at this level began.';
COMMENT ON COLUMN risk_bi.time_at_level.is_current IS 'Whether this is the user''s level in the newest snapshot of the account.';
COMMENT ON COLUMN risk_bi.time_at_level.is_account_retired IS 'Whether the account is retired. If so, current levels have not been checked since.';
COMMENT ON COLUMN risk_bi.time_at_level.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.time_at_level.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
--> statement-breakpoint
-- src/db/views/user_activity.sql
CREATE OR REPLACE VIEW risk_bi.user_activity WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       c.observed_at,
       c.event_count,
       c.last_event,
       c.snapshot_id,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.user_activity c
  JOIN risk.users u USING (account_key, user_key)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.user_activity IS 'Event counters of each user over time, retired accounts included. One row per user and change of the counters; it holds until the user''s next row, also while the user is cleared. Rows that were superseded before risk_bi.retention.whole_since may be gone. No personal data except the id.';
COMMENT ON COLUMN risk_bi.user_activity.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_activity.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_activity.observed_at IS 'Instant of the first snapshot with these counters.';
COMMENT ON COLUMN risk_bi.user_activity.event_count IS 'Number of risk events, as served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.user_activity.last_event IS 'Time of the newest risk event, as served.';
COMMENT ON COLUMN risk_bi.user_activity.snapshot_id IS 'The snapshot that wrote the row (risk_bi.snapshots).';
COMMENT ON COLUMN risk_bi.user_activity.is_account_retired IS 'Whether the account is retired.';
COMMENT ON COLUMN risk_bi.user_activity.account_label IS 'The account''s label, or its id if it has no label.';
--> statement-breakpoint
-- src/db/views/user_identities.sql
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
--> statement-breakpoint
-- src/db/views/user_level_history.sql
-- The newest snapshot is looked up once per account, not once per period.
CREATE OR REPLACE VIEW risk_bi.user_level_history WITH (security_invoker = true) AS
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
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank,
       array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS previous_level_rank
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from;

COMMENT ON VIEW risk_bi.user_level_history IS 'Every period of a user at one level, retired accounts included. One row per user and period. A current period is measured up to the newest snapshot, not up to now, because nothing after that snapshot has been observed. Periods that ended before risk_bi.retention.whole_since may be gone.';
COMMENT ON COLUMN risk_bi.user_level_history.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_level_history.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_level_history.valid_from IS 'Instant of the snapshot that opened the period.';
COMMENT ON COLUMN risk_bi.user_level_history.valid_to IS 'Instant of the snapshot that ended the period. This instant is no longer part of the period. Null for the current period.';
COMMENT ON COLUMN risk_bi.user_level_history.max_risk_level IS 'The level of the period.';
COMMENT ON COLUMN risk_bi.user_level_history.previous_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.user_level_history.change IS 'How the period began: appeared, raised, lowered or returned.';
COMMENT ON COLUMN risk_bi.user_level_history.end_reason IS 'How the period ended: changed (to another level), reset (cleared after an administrator reset the score) or absent (cleared in any other case). Null for the current period.';
COMMENT ON COLUMN risk_bi.user_level_history.absent_since IS 'If the period ended because the user was cleared: since when no walk had met the user.';
COMMENT ON COLUMN risk_bi.user_level_history.last_reset_time IS 'When the score was reset, as the user''s own record says; null if the record does not say.';
COMMENT ON COLUMN risk_bi.user_level_history.duration_seconds IS 'Length of the period in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.user_level_history.is_baseline IS 'Whether the period began in the first load. If so, it may really have begun earlier. Null if its first snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.user_level_history.is_account_retired IS 'Whether the account is retired. If so, current periods have not been checked since.';
COMMENT ON COLUMN risk_bi.user_level_history.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.user_level_history.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.user_level_history.previous_level_rank IS 'The column previous_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
--> statement-breakpoint
-- src/db/views/users.sql
-- Every user ever met, so that each row of another view finds its user here.
CREATE OR REPLACE VIEW risk_bi.users WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       u.max_risk_level,
       u.event_count,
       u.last_event,
       u.level_since,
       u.first_seen_at,
       u.absent_since,
       u.cleared_at,
       u.erased_at,
       u.max_risk_level IS NOT NULL AS is_present,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], u.max_risk_level) AS level_rank
  FROM risk.users u
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.users IS 'Current state of every user ever met, retired accounts included. No personal data except the id.';
COMMENT ON COLUMN risk_bi.users.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.users.user_id IS 'Cloudflare''s id of the user; a random one if the person was erased.';
COMMENT ON COLUMN risk_bi.users.max_risk_level IS 'Current level: low, medium or high; null if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.event_count IS 'Number of risk events, as last served. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.users.last_event IS 'Time of the newest risk event, as last served.';
COMMENT ON COLUMN risk_bi.users.level_since IS 'Since when the user has had the current level; null if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.first_seen_at IS 'Instant of the first snapshot with this user.';
COMMENT ON COLUMN risk_bi.users.absent_since IS 'Since when no walk has met this present user; null while the user is met, and if the user is cleared.';
COMMENT ON COLUMN risk_bi.users.cleared_at IS 'Instant of the snapshot that cleared the user; null while the user is present.';
COMMENT ON COLUMN risk_bi.users.erased_at IS 'Since when the user stands for a person who was erased; null for everybody else.';
COMMENT ON COLUMN risk_bi.users.is_present IS 'Whether the user has a level now.';
COMMENT ON COLUMN risk_bi.users.is_account_retired IS 'Whether the account is retired. Leave the users of retired accounts out of current totals.';
COMMENT ON COLUMN risk_bi.users.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.users.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high; null if the user is cleared.';
--> statement-breakpoint
-- src/db/views/users_as_of.sql
-- In plpgsql, which resolves account_key first. The planner then knows the key, and Citus routes the query to one
-- shard. Values that have not changed since the instant are read from the current state. The index user_levels_ended
-- finds all levels that have ended since, in one scan: this takes 25 ms. A probe of user_levels for each user (15,000
-- of 20,000, half a year ago) took 60 ms. If row-level security rules out the index, the whole table is read. The
-- activity of two days is found by the ids of its snapshots: this takes 90 to 175 ms. A probe per user into a year of
-- hourly activity took 360 to 480 ms.
CREATE OR REPLACE FUNCTION risk_bi.users_as_of(account_id text, at timestamptz)
RETURNS TABLE (
  user_id uuid, max_risk_level text, event_count integer, last_event timestamptz, snapshot_id bigint,
  observed_at timestamptz, level_rank integer)
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
  k integer;
  s bigint;
  t timestamptz;
  before bigint;
  whole_since timestamptz;
BEGIN
  SELECT a.account_key INTO k FROM risk.accounts a WHERE a.account_id = users_as_of.account_id;
  SELECT p.snapshot_id, p.observed_at INTO s, t
    FROM risk.snapshots p
   WHERE p.account_key = k AND p.observed_at <= users_as_of.at
   ORDER BY p.observed_at DESC LIMIT 1;
  IF s IS NULL THEN
    RETURN;
  END IF;
  SELECT max(r.whole_since) INTO whole_since
    FROM risk.retention r WHERE r.account_key = k AND r.dataset IN ('activity', 'levels');
  IF t < whole_since THEN
    RAISE EXCEPTION 'users_as_of: the history of account % is whole since % only, and older rows were deleted', users_as_of.account_id, whole_since
      USING ERRCODE = 'ZT001', DETAIL = to_char(whole_since AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), HINT = 'risk_bi.retention says since when each part of the history is whole.';
  END IF;
  SELECT p.snapshot_id INTO before
    FROM risk.snapshots p
   WHERE p.account_key = k AND p.observed_at <= t - interval '2 days'
   ORDER BY p.observed_at DESC LIMIT 1;
  RETURN QUERY
  SELECT p.user_id,
         p.max_risk_level,
         CASE WHEN p.counters_known THEN p.event_count ELSE c.event_count END,
         CASE WHEN p.counters_known THEN p.last_event ELSE c.last_event END,
         s, t,
         array_position(ARRAY['low', 'medium', 'high'], p.max_risk_level)
    FROM (
      SELECT u.user_key,
             u.user_id,
             coalesce(l.max_risk_level, u.max_risk_level) AS max_risk_level,
             u.snapshot_id <= s OR d.user_key IS NOT NULL AS counters_known,
             CASE WHEN u.snapshot_id <= s THEN u.event_count ELSE d.event_count END AS event_count,
             CASE WHEN u.snapshot_id <= s THEN u.last_event ELSE d.last_event END AS last_event
        FROM risk.users u
        LEFT JOIN risk.user_levels l
          ON l.account_key = k AND l.user_key = u.user_key
         AND l.valid_to IS NOT NULL AND tstzrange(l.valid_from, l.valid_to) @> t
        -- Users who acted in the two days before are read all at once.
        LEFT JOIN (
          SELECT DISTINCT ON (a.user_key) a.user_key, a.event_count, a.last_event
            FROM risk.user_activity a
           WHERE a.account_key = k AND a.snapshot_id > coalesce(before, 0) AND a.snapshot_id <= s
           ORDER BY a.user_key, a.observed_at DESC) d ON d.user_key = u.user_key
       WHERE u.account_key = k AND (u.level_since <= t OR l.user_key IS NOT NULL)
       -- In the order of the index that the next join probes: 90 ms instead of 105.
       ORDER BY u.user_key) p
    LEFT JOIN LATERAL (
      SELECT a.event_count, a.last_event FROM risk.user_activity a
       WHERE NOT p.counters_known
         AND a.account_key = k AND a.user_key = p.user_key AND a.observed_at <= t
       ORDER BY a.observed_at DESC LIMIT 1) c ON true;
END;
$$;

COMMENT ON FUNCTION risk_bi.users_as_of(text, timestamptz) IS 'Users present in the newest snapshot of the account at or before an instant. No personal data. Empty before the first snapshot. Refuses with SQLSTATE ZT001 if rows of that time were deleted (risk_bi.retention).';
