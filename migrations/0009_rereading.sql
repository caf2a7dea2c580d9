-- An answer that nobody can read is kept, too, so that such users do not come first for ever; and when a record last said that
-- its user is there, so that no absence from before counts against it.
ALTER TABLE "risk_internal"."lookups" DROP CONSTRAINT "lookups_outcome";
--> statement-breakpoint
ALTER TABLE "risk_internal"."lookups" ADD CONSTRAINT "lookups_outcome" CHECK ("risk_internal"."lookups"."outcome" in ('level', 'no_level', 'reset', 'not_found', 'unreadable'));
--> statement-breakpoint
ALTER TABLE "risk_internal"."lookups" ADD COLUMN "level_at" timestamp with time zone;
--> statement-breakpoint
UPDATE "risk_internal"."lookups" SET "level_at" = "asked_at" WHERE "outcome" = 'level';
--> statement-breakpoint
ALTER TABLE "risk_internal"."lookups" ADD CONSTRAINT "lookups_level_at" CHECK ("risk_internal"."lookups"."outcome" <> 'level' or "risk_internal"."lookups"."level_at" is not null);
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.outcome IS 'level: still there; no_level, reset (a reset not older than the newest event known) and not_found: gone; unreadable: it did not say.';
--> statement-breakpoint
COMMENT ON COLUMN risk_internal.lookups.level_at IS 'When the record last said that the user has a level; null when it never did.';
