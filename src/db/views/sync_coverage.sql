-- Midnight that comes twice (clocks set back over it) is the first of the two: hence the CASE. OFFSET 0: it is worked
-- out once per day, not once per row that is compared with it.
CREATE OR REPLACE VIEW risk_bi.sync_coverage WITH (security_invoker = true) AS
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
  -- The usual distance of slots: the median over the ten latest that were run. Counted back from the newest run: what does not
  -- run at all is missed for ever, and what is run by other means has no slots after a month.
  CROSS JOIN LATERAL (
    SELECT max(z.finished_at) - interval '744 hours' AS since
      FROM risk.sync_runs z WHERE z.account_key = b.account_key AND z.finished_at < d.ends_at) m
  CROSS JOIN LATERAL (
    SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY w.gap)) AS slot_seconds
      FROM (SELECT v.scheduled_for - lag(v.scheduled_for) OVER (ORDER BY v.scheduled_for) AS gap
              -- A slot that fails for a day is tried a hundred times: the newest attempts alone would show no other.
              FROM ((SELECT q.scheduled_for FROM risk.sync_runs q
                      WHERE q.account_key = b.account_key AND b.first_slot IS NOT NULL AND q.scheduled_for IS NOT NULL
                        AND q.finished_at < d.ends_at AND q.finished_at >= m.since
                      ORDER BY q.finished_at DESC LIMIT 50)
                    UNION
                    (SELECT q.scheduled_for FROM risk.sync_runs q
                      WHERE q.account_key = b.account_key AND q.status = 'succeeded'
                        AND q.scheduled_for < d.ends_at AND q.scheduled_for >= m.since
                      ORDER BY q.scheduled_for DESC LIMIT 10)
                    ORDER BY scheduled_for DESC LIMIT 10) v) w) e;

COMMENT ON VIEW risk_bi.sync_coverage IS 'How well every day was covered, from the first run until today or the day on which the account was retired. One row per account and day, days without a run included.';
COMMENT ON COLUMN risk_bi.sync_coverage.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.sync_coverage.day IS 'The day in the session''s time zone; 23 or 25 hours long when clocks are changed.';
COMMENT ON COLUMN risk_bi.sync_coverage.run_count IS 'Attempts that ended on the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.succeeded_count IS 'Of them, those that succeeded.';
COMMENT ON COLUMN risk_bi.sync_coverage.failed_count IS 'Of them, those that failed.';
COMMENT ON COLUMN risk_bi.sync_coverage.abandoned_count IS 'Of them, those whose process died.';
COMMENT ON COLUMN risk_bi.sync_coverage.complete_count IS 'Complete snapshots of the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.partial_count IS 'Partial snapshots of the day.';
COMMENT ON COLUMN risk_bi.sync_coverage.expected_slot_count IS 'How many slots the day should have had so far, by the median distance of the ten slots that were run last before its end. Null when fewer than two are known, and a month after the last one where runs are made by other means.';
COMMENT ON COLUMN risk_bi.sync_coverage.slot_count IS 'Slots of the day for which there was a run.';
COMMENT ON COLUMN risk_bi.sync_coverage.slot_succeeded_count IS 'Slots of the day for which a run succeeded.';
COMMENT ON COLUMN risk_bi.sync_coverage.largest_gap IS 'Longest time between a snapshot of the day and the one before it; null without a snapshot, and for the very first.';
COMMENT ON COLUMN risk_bi.sync_coverage.largest_gap_seconds IS 'The same in seconds.';
COMMENT ON COLUMN risk_bi.sync_coverage.age_at_end IS 'How old the newest snapshot was when the day ended, or is now: freshness. Null before the first snapshot.';
COMMENT ON COLUMN risk_bi.sync_coverage.age_at_end_seconds IS 'The same in seconds.';
