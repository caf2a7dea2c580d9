CREATE TABLE "risk_internal"."lookups" (
	"account_key" integer NOT NULL,
	"user_key" integer NOT NULL,
	"run_id" bigint NOT NULL,
	"asked_at" timestamp with time zone NOT NULL,
	"outcome" text NOT NULL,
	CONSTRAINT "lookups_account_key_user_key_pk" PRIMARY KEY("account_key","user_key"),
	CONSTRAINT "lookups_outcome" CHECK ("risk_internal"."lookups"."outcome" in ('level', 'no_level', 'reset', 'not_found'))
);
--> statement-breakpoint
COMMENT ON TABLE risk_internal.lookups IS 'The latest question about each user who was absent: what their own record said. One row per user ever asked about.';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.account_key IS 'The account (risk.accounts).';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.user_key IS 'The user (risk.users).';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.run_id IS 'The attempt that asked (risk.sync_runs).';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.asked_at IS 'When the answer was written down (database clock).';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.outcome IS 'level: still there; no_level, reset (a reset not older than the newest event known) and not_found: gone.';
--> statement-breakpoint
COMMENT ON COLUMN risk.sync_runs.lookups IS 'Absent users whose own record was asked.';
