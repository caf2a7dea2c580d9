-- With the owner's rights, like feed_clock. UNION, not UNION ALL, so that rows written by hand cannot make it endless.
CREATE OR REPLACE VIEW risk_bi.feed_epochs AS
WITH RECURSIVE course AS (
  SELECT c.epoch,
         c.last_snapshot_id AS good_up_to
    FROM risk_internal.feed_clock c
   WHERE c.id = 1
  UNION
  SELECT e.previous_epoch,
         LEAST(course.good_up_to, e.began_after)
    FROM course
    JOIN risk_internal.epochs e ON e.epoch = course.epoch
)
SELECT course.epoch,
       course.good_up_to
  FROM course;

COMMENT ON VIEW risk_bi.feed_epochs IS 'One row per epoch that this history continues: its own, and those of the histories that it was restored or copied from. If your epoch is here and your watermark is at most good_up_to, go on from there. Otherwise load everything again.';
COMMENT ON COLUMN risk_bi.feed_epochs.epoch IS 'The epoch that you remember beside your watermark.';
COMMENT ON COLUMN risk_bi.feed_epochs.good_up_to IS 'Up to this feed value, the history of that epoch is this one.';
