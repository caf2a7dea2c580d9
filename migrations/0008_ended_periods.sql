-- Which of the periods that have ended held an instant: users_as_of asks (0010).
CREATE INDEX "user_levels_ended" ON "risk"."user_levels" USING gist (tstzrange("valid_from", "valid_to")) WHERE "risk"."user_levels"."valid_to" is not null;
