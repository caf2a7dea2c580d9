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
