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
