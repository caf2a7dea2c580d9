CREATE TABLE "risk_internal"."epochs" (
	"epoch" uuid PRIMARY KEY NOT NULL,
	"previous_epoch" uuid NOT NULL,
	"began_after" bigint NOT NULL,
	"began_at" timestamp with time zone NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "epochs_reason" CHECK ("risk_internal"."epochs"."reason" in ('copied', 'moved'))
);
--> statement-breakpoint
ALTER TABLE "risk_internal"."feed_clock" ADD COLUMN "place" text;--> statement-breakpoint
ALTER TABLE "risk_internal"."feed_clock" ADD COLUMN "copied_at" timestamp with time zone;
--> statement-breakpoint
-- By hand from here. Not in risk_bi: it is for the worker alone. Each part that the server refuses is a "-": a managed
-- service may not let everybody ask. The parts change when the history is elsewhere:
--   system identifier: another cluster (a dump that was restored, pg_upgrade)
--   timeline: a standby was promoted, or a base backup was restored to a point in time
--   database: a copy of the database on the same server
--   table: a dump that was restored over the database
CREATE FUNCTION risk_internal.history_place() RETURNS text
  LANGUAGE plpgsql
  SET search_path = pg_catalog
AS $$
DECLARE
  system text := '-';
  timeline text := '-';
BEGIN
  BEGIN
    SELECT system_identifier INTO system FROM pg_control_system();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  BEGIN
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN concat_ws('/', system, timeline,
    (SELECT oid FROM pg_database WHERE datname = current_database()),
    to_regclass('risk_internal.feed_clock')::oid);
END
$$;
--> statement-breakpoint
COMMENT ON FUNCTION risk_internal.history_place() IS 'Where the history is: system identifier, timeline, database and table. It differs after a restore, a copy or a failover.';
COMMENT ON COLUMN risk_internal.feed_clock.epoch IS 'Names this course of the clock. It changes when the history was restored, copied or promoted, because feed values may then be given again.';
COMMENT ON COLUMN risk_internal.feed_clock.place IS 'history_place() when a value was last taken; null before the first one. If it differs, the writer begins a new epoch.';
COMMENT ON COLUMN risk_internal.feed_clock.copied_at IS 'When `database copy` or `database backup` last made a whole copy of this history; null: never.';

COMMENT ON TABLE risk_internal.epochs IS 'One row per epoch that began because the history was restored, copied or promoted.';
COMMENT ON COLUMN risk_internal.epochs.epoch IS 'The epoch that began.';
COMMENT ON COLUMN risk_internal.epochs.previous_epoch IS 'The epoch that it continues.';
COMMENT ON COLUMN risk_internal.epochs.began_after IS 'Up to this feed value, the history is the one of the previous epoch.';
COMMENT ON COLUMN risk_internal.epochs.began_at IS 'When it began (database clock).';
COMMENT ON COLUMN risk_internal.epochs.reason IS 'copied: by `database copy` or `database restore`. moved: a writer found the history in another place.';
