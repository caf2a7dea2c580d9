-- Every table of src/db/schema.ts, written by drizzle-kit. Added by hand: IF NOT EXISTS, UNLOGGED, and everything after
-- the indexes.
CREATE SCHEMA IF NOT EXISTS "risk";
--> statement-breakpoint
CREATE SCHEMA IF NOT EXISTS "risk_internal";
--> statement-breakpoint
CREATE SEQUENCE "risk_internal"."run_ids" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "risk_internal"."account_writers" (
	"account_key" integer PRIMARY KEY NOT NULL,
	"last_user_key" integer NOT NULL,
	"last_snapshot_id" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."account_keys" (
	"account_key" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "risk_internal"."account_keys_account_key_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"account_id" text NOT NULL,
	CONSTRAINT "account_keys_account_id_unique" UNIQUE("account_id")
);
--> statement-breakpoint
CREATE TABLE "risk"."accounts" (
	"account_key" integer PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"label" text,
	"added_at" timestamp with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp with time zone,
	"feed_id" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."epochs" (
	"account_key" integer NOT NULL,
	"epoch" uuid NOT NULL,
	"previous_epoch" uuid NOT NULL,
	"began_after" bigint NOT NULL,
	"began_at" timestamp with time zone NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "epochs_account_key_epoch_previous_epoch_pk" PRIMARY KEY("account_key","epoch","previous_epoch"),
	CONSTRAINT "epochs_reason" CHECK ("risk_internal"."epochs"."reason" in ('copied', 'moved'))
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."erased_people" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"mode" text NOT NULL,
	"user_hash" text,
	"began_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone,
	"account_count" integer DEFAULT 0 NOT NULL,
	"identity_count" integer DEFAULT 0 NOT NULL,
	"rejected_count" integer DEFAULT 0 NOT NULL,
	"lookup_count" integer DEFAULT 0 NOT NULL,
	"run_count" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "erased_people_user_hash_unique" UNIQUE("user_hash"),
	CONSTRAINT "erased_people_mode" CHECK ("risk_internal"."erased_people"."mode" in ('forget', 'once')),
	CONSTRAINT "erased_people_user_hash" CHECK ("risk_internal"."erased_people"."user_hash" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "erased_people_hashed" CHECK (("risk_internal"."erased_people"."user_hash" is not null) = ("risk_internal"."erased_people"."mode" = 'forget' or "risk_internal"."erased_people"."finished_at" is null))
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."erasure_key" (
	"id" integer PRIMARY KEY NOT NULL,
	"key" text DEFAULT gen_random_uuid()::text || gen_random_uuid()::text NOT NULL,
	CONSTRAINT "erasure_key_one_row" CHECK ("risk_internal"."erasure_key"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."feed_clock" (
	"account_key" integer PRIMARY KEY NOT NULL,
	"last_snapshot_id" bigint NOT NULL,
	"epoch" uuid DEFAULT gen_random_uuid() NOT NULL,
	"place" text,
	"copied_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."imports" (
	"account_key" integer NOT NULL,
	"observed_at" timestamp with time zone NOT NULL,
	"digest" text NOT NULL,
	"snapshot_id" bigint NOT NULL,
	"imported_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "imports_account_key_observed_at_digest_pk" PRIMARY KEY("account_key","observed_at","digest"),
	CONSTRAINT "imports_digest" CHECK ("risk_internal"."imports"."digest" ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."leases" (
	"account_key" integer PRIMARY KEY NOT NULL,
	"run_id" bigint NOT NULL,
	"owner" uuid NOT NULL,
	"trigger" text NOT NULL,
	"scheduled_for" timestamp with time zone,
	"started_at" timestamp with time zone NOT NULL,
	"heartbeat_at" timestamp with time zone NOT NULL,
	"host" text NOT NULL,
	"process" text NOT NULL,
	"progress" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "leases_trigger" CHECK ("risk_internal"."leases"."trigger" in ('cron', 'cli', 'http', 'import'))
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."lookups" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"run_id" bigint NOT NULL,
	"asked_at" timestamp with time zone NOT NULL,
	"outcome" text NOT NULL,
	"level_at" timestamp with time zone,
	CONSTRAINT "lookups_account_key_user_key_pk" PRIMARY KEY("account_key","user_key"),
	CONSTRAINT "lookups_level_at" CHECK ("risk_internal"."lookups"."outcome" <> 'level' or "risk_internal"."lookups"."level_at" is not null),
	CONSTRAINT "lookups_outcome" CHECK ("risk_internal"."lookups"."outcome" in ('level', 'no_level', 'reset', 'not_found', 'unreadable'))
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."rejected_records" (
	"account_key" integer NOT NULL,
	"record_hash" text NOT NULL,
	"user_id" uuid,
	"reason" text NOT NULL,
	"raw" text NOT NULL,
	"first_run_id" bigint NOT NULL,
	"last_run_id" bigint NOT NULL,
	"first_seen_at" timestamp with time zone NOT NULL,
	"last_seen_at" timestamp with time zone NOT NULL,
	CONSTRAINT "rejected_records_account_key_record_hash_pk" PRIMARY KEY("account_key","record_hash")
);
--> statement-breakpoint
CREATE TABLE "risk"."snapshot_levels" (
	"account_key" integer NOT NULL,
	"snapshot_id" bigint NOT NULL,
	"max_risk_level" text NOT NULL,
	"user_count" integer NOT NULL,
	"event_count" bigint NOT NULL,
	CONSTRAINT "snapshot_levels_account_key_snapshot_id_max_risk_level_pk" PRIMARY KEY("account_key","snapshot_id","max_risk_level"),
	CONSTRAINT "snapshot_levels_max_risk_level" CHECK ("risk"."snapshot_levels"."max_risk_level" in ('low', 'medium', 'high')),
	CONSTRAINT "snapshot_levels_counts" CHECK ("risk"."snapshot_levels"."user_count" >= 0 and "risk"."snapshot_levels"."event_count" >= 0)
);
--> statement-breakpoint
CREATE TABLE "risk"."snapshots" (
	"account_key" integer NOT NULL,
	"snapshot_id" bigint NOT NULL,
	"observed_at" timestamp with time zone NOT NULL,
	"verdict" text NOT NULL,
	"expected_unseen" double precision,
	"is_baseline" boolean NOT NULL,
	"user_count" integer NOT NULL,
	"met_count" integer NOT NULL,
	"carried_count" integer NOT NULL,
	"event_count" bigint NOT NULL,
	"appeared" integer NOT NULL,
	"raised" integer NOT NULL,
	"lowered" integer NOT NULL,
	"cleared" integer NOT NULL,
	"returned" integer NOT NULL,
	CONSTRAINT "snapshots_account_key_snapshot_id_pk" PRIMARY KEY("account_key","snapshot_id"),
	CONSTRAINT "snapshots_account_key_observed_at" UNIQUE("account_key","observed_at"),
	CONSTRAINT "snapshots_verdict" CHECK ("risk"."snapshots"."verdict" in ('complete', 'partial')),
	CONSTRAINT "snapshots_user_count" CHECK ("risk"."snapshots"."user_count" = "risk"."snapshots"."met_count" + "risk"."snapshots"."carried_count"),
	CONSTRAINT "snapshots_counts" CHECK (least("risk"."snapshots"."met_count", "risk"."snapshots"."carried_count", "risk"."snapshots"."event_count", "risk"."snapshots"."appeared", "risk"."snapshots"."raised", "risk"."snapshots"."lowered", "risk"."snapshots"."cleared", "risk"."snapshots"."returned") >= 0),
	CONSTRAINT "snapshots_observed_at" CHECK (extract(microseconds from "risk"."snapshots"."observed_at")::integer % 1000 = 0)
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."identity_modes" (
	"account_key" integer PRIMARY KEY NOT NULL,
	"mode" text NOT NULL,
	"key_id" text,
	"since" timestamp with time zone,
	"is_applied" boolean NOT NULL,
	CONSTRAINT "identity_modes_mode" CHECK ("risk_internal"."identity_modes"."mode" in ('full', 'pseudonymous', 'none')),
	CONSTRAINT "identity_modes_key" CHECK (("risk_internal"."identity_modes"."mode" = 'pseudonymous') = ("risk_internal"."identity_modes"."key_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "risk_internal"."request_budgets" (
	"identity" text NOT NULL,
	"window_ms" integer NOT NULL,
	"request_limit" integer NOT NULL,
	"first_slice" bigint NOT NULL,
	"slices" integer[] NOT NULL,
	"granted" integer NOT NULL,
	"booked_for" timestamp with time zone NOT NULL,
	"blocked_until" timestamp with time zone,
	"renewed_at" timestamp with time zone NOT NULL,
	CONSTRAINT "request_budgets_identity_window_ms_pk" PRIMARY KEY("identity","window_ms"),
	CONSTRAINT "request_budgets_identity" CHECK ("risk_internal"."request_budgets"."identity" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "request_budgets_window_ms" CHECK ("risk_internal"."request_budgets"."window_ms" > 0)
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "risk_internal"."staged_changes" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"user_id" uuid NOT NULL,
	"is_new" boolean NOT NULL,
	"is_missing" boolean NOT NULL,
	"old_level" text,
	"new_level" text,
	"identity_changed" boolean NOT NULL,
	"activity_changed" boolean NOT NULL,
	"email" text,
	"name" text,
	"event_count" integer,
	"last_event" timestamp with time zone,
	"lookup_outcome" text,
	"last_reset_time" timestamp with time zone,
	"end_reason" text
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "risk_internal"."staged_identities" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"valid_from" timestamp with time zone NOT NULL,
	"snapshot_id" bigint NOT NULL,
	"email" text,
	"name" text
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "risk_internal"."staged_rejected" (
	"account_key" integer NOT NULL,
	"record_hash" text NOT NULL,
	"user_id" uuid,
	"reason" text NOT NULL,
	"raw" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "risk"."sync_runs" (
	"account_key" integer NOT NULL,
	"run_id" bigint NOT NULL,
	"trigger" text NOT NULL,
	"scheduled_for" timestamp with time zone,
	"status" text NOT NULL,
	"verdict" text,
	"started_at" timestamp with time zone NOT NULL,
	"finished_at" timestamp with time zone NOT NULL,
	"host" text NOT NULL,
	"passes" integer DEFAULT 0 NOT NULL,
	"expected_unseen" double precision,
	"pages" integer DEFAULT 0 NOT NULL,
	"requests" integer DEFAULT 0 NOT NULL,
	"retries" integer DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"users_met" integer DEFAULT 0 NOT NULL,
	"duplicates" integer DEFAULT 0 NOT NULL,
	"rejected" integer DEFAULT 0 NOT NULL,
	"total_first" integer,
	"total_last" integer,
	"lookups" integer DEFAULT 0 NOT NULL,
	"evidence" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"error_code" text,
	"error_message" text,
	"snapshot_id" bigint,
	"feed_id" bigint NOT NULL,
	CONSTRAINT "sync_runs_account_key_run_id_pk" PRIMARY KEY("account_key","run_id"),
	CONSTRAINT "sync_runs_trigger" CHECK ("risk"."sync_runs"."trigger" in ('cron', 'cli', 'http', 'import')),
	CONSTRAINT "sync_runs_status" CHECK ("risk"."sync_runs"."status" in ('succeeded', 'failed', 'abandoned')),
	CONSTRAINT "sync_runs_verdict" CHECK ("risk"."sync_runs"."verdict" in ('complete', 'partial')),
	CONSTRAINT "sync_runs_success" CHECK ("risk"."sync_runs"."status" <> 'succeeded' or ("risk"."sync_runs"."snapshot_id" is not null and "risk"."sync_runs"."error_code" is null)),
	CONSTRAINT "sync_runs_published" CHECK (("risk"."sync_runs"."snapshot_id" is null) = ("risk"."sync_runs"."verdict" is null)),
	CONSTRAINT "sync_runs_feed_value" CHECK ("risk"."sync_runs"."feed_id" = "risk"."sync_runs"."snapshot_id"),
	CONSTRAINT "sync_runs_failure" CHECK ("risk"."sync_runs"."status" <> 'failed' or "risk"."sync_runs"."error_code" is not null)
);
--> statement-breakpoint
CREATE TABLE "risk"."retention" (
	"account_key" integer NOT NULL,
	"dataset" text NOT NULL,
	"whole_since" timestamp with time zone NOT NULL,
	"pruned_up_to" bigint,
	"row_count" bigint NOT NULL,
	"pruned_at" timestamp with time zone NOT NULL,
	"feed_id" bigint NOT NULL,
	CONSTRAINT "retention_account_key_dataset_pk" PRIMARY KEY("account_key","dataset"),
	CONSTRAINT "retention_dataset" CHECK ("risk"."retention"."dataset" in ('activity', 'levels', 'identities', 'runs')),
	CONSTRAINT "retention_row_count" CHECK ("risk"."retention"."row_count" >= 1)
);--> statement-breakpoint
CREATE TABLE "risk"."user_activity" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"observed_at" timestamp with time zone NOT NULL,
	"event_count" integer NOT NULL,
	"last_event" timestamp with time zone NOT NULL,
	"snapshot_id" bigint NOT NULL,
	CONSTRAINT "user_activity_account_key_user_key_observed_at_pk" PRIMARY KEY("account_key","user_key","observed_at"),
	CONSTRAINT "user_activity_event_count" CHECK ("risk"."user_activity"."event_count" >= 0)
);
--> statement-breakpoint
CREATE TABLE "risk"."user_identities" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"valid_from" timestamp with time zone NOT NULL,
	"valid_to" timestamp with time zone,
	"email" text,
	"name" text,
	"snapshot_id" bigint NOT NULL,
	CONSTRAINT "user_identities_account_key_user_key_valid_from_pk" PRIMARY KEY("account_key","user_key","valid_from")
);
--> statement-breakpoint
CREATE TABLE "risk"."user_levels" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"valid_from" timestamp with time zone NOT NULL,
	"valid_to" timestamp with time zone,
	"max_risk_level" text NOT NULL,
	"previous_level" text,
	"change" text NOT NULL,
	"end_reason" text,
	"absent_since" timestamp with time zone,
	"last_reset_time" timestamp with time zone,
	"snapshot_id" bigint NOT NULL,
	CONSTRAINT "user_levels_account_key_user_key_valid_from_pk" PRIMARY KEY("account_key","user_key","valid_from"),
	CONSTRAINT "user_levels_valid_to" CHECK ("risk"."user_levels"."valid_to" > "risk"."user_levels"."valid_from"),
	CONSTRAINT "user_levels_max_risk_level" CHECK ("risk"."user_levels"."max_risk_level" in ('low', 'medium', 'high')),
	CONSTRAINT "user_levels_change" CHECK ("risk"."user_levels"."change" in ('appeared', 'raised', 'lowered', 'returned')),
	CONSTRAINT "user_levels_previous_level" CHECK (case when "risk"."user_levels"."change" in ('appeared', 'returned') then "risk"."user_levels"."previous_level" is null
        else "risk"."user_levels"."previous_level" is not null and ("risk"."user_levels"."change" = 'raised') = (("risk"."user_levels"."previous_level", "risk"."user_levels"."max_risk_level") in (('low', 'medium'), ('low', 'high'), ('medium', 'high')))
          and "risk"."user_levels"."previous_level" in ('low', 'medium', 'high') and "risk"."user_levels"."previous_level" <> "risk"."user_levels"."max_risk_level" end),
	CONSTRAINT "user_levels_end_reason" CHECK ("risk"."user_levels"."end_reason" in ('changed', 'reset', 'absent')),
	CONSTRAINT "user_levels_end" CHECK (("risk"."user_levels"."valid_to" is null) = ("risk"."user_levels"."end_reason" is null)),
	CONSTRAINT "user_levels_absent_since" CHECK ("risk"."user_levels"."absent_since" is null or "risk"."user_levels"."end_reason" in ('reset', 'absent'))
);
--> statement-breakpoint
CREATE TABLE "risk"."users" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"user_id" uuid NOT NULL,
	"max_risk_level" text,
	"event_count" integer NOT NULL,
	"last_event" timestamp with time zone NOT NULL,
	"level_since" timestamp with time zone,
	"identity_since" timestamp with time zone NOT NULL,
	"first_seen_at" timestamp with time zone NOT NULL,
	"absent_since" timestamp with time zone,
	"cleared_at" timestamp with time zone,
	"snapshot_id" bigint NOT NULL,
	"erased_at" timestamp with time zone,
	CONSTRAINT "users_account_key_user_key_pk" PRIMARY KEY("account_key","user_key"),
	CONSTRAINT "users_account_key_user_id" UNIQUE("account_key","user_id"),
	CONSTRAINT "users_max_risk_level" CHECK ("risk"."users"."max_risk_level" in ('low', 'medium', 'high')),
	CONSTRAINT "users_event_count" CHECK ("risk"."users"."event_count" >= 0),
	CONSTRAINT "users_cleared" CHECK (("risk"."users"."max_risk_level" is null) = ("risk"."users"."cleared_at" is not null)),
	CONSTRAINT "users_level_since" CHECK (("risk"."users"."max_risk_level" is null) = ("risk"."users"."level_since" is null)),
	CONSTRAINT "users_absent_since" CHECK ("risk"."users"."absent_since" is null or "risk"."users"."cleared_at" is null)
);
--> statement-breakpoint
ALTER TABLE "risk_internal"."account_writers" ADD CONSTRAINT "account_writers_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk_internal"."identity_modes" ADD CONSTRAINT "identity_modes_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk_internal"."leases" ADD CONSTRAINT "leases_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."retention" ADD CONSTRAINT "retention_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."snapshot_levels" ADD CONSTRAINT "snapshot_levels_snapshots" FOREIGN KEY ("account_key","snapshot_id") REFERENCES "risk"."snapshots"("account_key","snapshot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."snapshots" ADD CONSTRAINT "snapshots_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."sync_runs" ADD CONSTRAINT "sync_runs_account_key_accounts_account_key_fk" FOREIGN KEY ("account_key") REFERENCES "risk"."accounts"("account_key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "accounts_account_id" ON "risk"."accounts" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "rejected_records_last_run_id" ON "risk_internal"."rejected_records" USING btree ("account_key","last_run_id");--> statement-breakpoint
CREATE INDEX "snapshots_snapshot_id" ON "risk"."snapshots" USING btree ("snapshot_id");--> statement-breakpoint
CREATE INDEX "sync_runs_feed_id" ON "risk"."sync_runs" USING btree ("feed_id");--> statement-breakpoint
CREATE INDEX "sync_runs_account_key_finished_at" ON "risk"."sync_runs" USING btree ("account_key","finished_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sync_runs_slot" ON "risk"."sync_runs" USING btree ("account_key","scheduled_for") WHERE "risk"."sync_runs"."status" = 'succeeded';--> statement-breakpoint
CREATE INDEX "sync_runs_succeeded" ON "risk"."sync_runs" USING btree ("account_key","run_id") WHERE "risk"."sync_runs"."status" = 'succeeded';--> statement-breakpoint
CREATE INDEX "sync_runs_complete" ON "risk"."sync_runs" USING btree ("account_key","run_id") WHERE "risk"."sync_runs"."verdict" = 'complete';--> statement-breakpoint
CREATE INDEX "sync_runs_failed" ON "risk"."sync_runs" USING btree ("account_key","run_id","verdict","error_code") WHERE "risk"."sync_runs"."status" <> 'succeeded';--> statement-breakpoint
CREATE INDEX "sync_runs_partial" ON "risk"."sync_runs" USING btree ("account_key","run_id") WHERE "risk"."sync_runs"."verdict" = 'partial';--> statement-breakpoint
CREATE INDEX "user_activity_snapshot_id" ON "risk"."user_activity" USING btree ("account_key","snapshot_id");--> statement-breakpoint
CREATE UNIQUE INDEX "user_identities_open" ON "risk"."user_identities" USING btree ("account_key","user_key") WHERE "risk"."user_identities"."valid_to" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "user_levels_open" ON "risk"."user_levels" USING btree ("account_key","user_key") WHERE "risk"."user_levels"."valid_to" is null;--> statement-breakpoint
CREATE INDEX "user_levels_valid_from" ON "risk"."user_levels" USING btree ("account_key","valid_from");--> statement-breakpoint
CREATE INDEX "user_levels_cleared" ON "risk"."user_levels" USING btree ("account_key","valid_to") WHERE "risk"."user_levels"."end_reason" <> 'changed';--> statement-breakpoint
CREATE INDEX "user_levels_ended" ON "risk"."user_levels" USING gist (tstzrange("valid_from", "valid_to")) WHERE "risk"."user_levels"."valid_to" is not null;
--> statement-breakpoint
-- The schema for readers. Its views and functions come from src/db/views.
CREATE SCHEMA IF NOT EXISTS "risk_bi";
--> statement-breakpoint
-- Keeps a tenth of each page free, so that rows can be updated in place. Without it, every update of a user writes both
-- indexes again.
ALTER TABLE "risk"."users" SET (fillfactor = 90);
--> statement-breakpoint
-- Autovacuum would never analyze so few rows. The planner would then assume 710 accounts, expect hardly any rows for
-- each, and join the rows of a whole account by nested loop.
ALTER TABLE "risk"."accounts" SET (autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0);
--> statement-breakpoint
ANALYZE "risk"."accounts";
--> statement-breakpoint
INSERT INTO "risk_internal"."feed_clock" ("account_key", "last_snapshot_id") VALUES (0, 0);
--> statement-breakpoint
-- The key of the clock that serves an account: one clock serves all. `migrate --distribute` replaces the function by one
-- that returns its argument. The planner folds it, so that Citus sees a key and not a function.
CREATE FUNCTION risk_internal.feed_clock_key(account_key integer) RETURNS integer
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT 0';
--> statement-breakpoint
-- Not in risk_bi: it is for the worker alone. Each part that the server refuses is a "-": a managed service may not let
-- everybody ask. The parts change when the history is elsewhere:
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
