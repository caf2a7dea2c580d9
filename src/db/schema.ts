// Every table of zt-risk-sync, as Drizzle objects. To change one, edit this file, run `npm run db:generate`, read the
// SQL, and commit both. Schema `risk` is the contract for extractors; `risk_internal` is for the worker alone. The
// comments of tables and columns are in a migration. A test fails if one is missing.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { Evidence } from '../evidence.ts';

export const risk = pgSchema('risk');
export const riskInternal = pgSchema('risk_internal');

// Timestamps are read as text, because a Date would lose the microseconds.
const timestamptz = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });
// A JavaScript number is enough: 2^53 - 1 snapshots, one a second, take 285 million years.
const int8 = (name: string) => bigint(name, { mode: 'number' });
const accountKey = () => integer('account_key').notNull();
const userKey = () => integer('user_key').notNull();
const snapshotId = () => int8('snapshot_id').notNull();

export const accounts = risk.table('accounts', {
  account_key: integer().primaryKey().generatedAlwaysAsIdentity(),
  account_id: text().notNull().unique(),
  label: text(),
  added_at: timestamptz('added_at')
    .notNull()
    .default(sql`now()`),
  retired_at: timestamptz('retired_at'),
  feed_id: int8('feed_id').notNull(),
});

export const syncRuns = risk.table(
  'sync_runs',
  {
    account_key: accountKey().references(() => accounts.account_key),
    run_id: int8('run_id').notNull(),
    trigger: text().notNull(),
    scheduled_for: timestamptz('scheduled_for'),
    status: text().notNull(),
    verdict: text(),
    started_at: timestamptz('started_at').notNull(),
    finished_at: timestamptz('finished_at').notNull(),
    host: text().notNull(),
    passes: integer().notNull().default(0),
    expected_unseen: doublePrecision(),
    pages: integer().notNull().default(0),
    requests: integer().notNull().default(0),
    retries: integer().notNull().default(0),
    bytes: int8('bytes').notNull().default(0),
    users_met: integer().notNull().default(0),
    duplicates: integer().notNull().default(0),
    rejected: integer().notNull().default(0),
    total_first: integer(),
    total_last: integer(),
    lookups: integer().notNull().default(0),
    evidence: jsonb().$type<Evidence>().notNull().default({}),
    error_code: text(),
    error_message: text(),
    snapshot_id: int8('snapshot_id'),
    feed_id: int8('feed_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.run_id] }),
    // For readers by watermark, over all accounts.
    index('sync_runs_feed_id').on(t.feed_id),
    index('sync_runs_account_key_finished_at').on(t.account_key, t.finished_at),
    // A slot succeeds once: the claim checks it, and this index guarantees it.
    uniqueIndex('sync_runs_slot')
      .on(t.account_key, t.scheduled_for)
      .where(sql`${t.status} = 'succeeded'`),
    // Both find their newest run (success, complete) in one step, even after years of failures.
    index('sync_runs_succeeded')
      .on(t.account_key, t.run_id)
      .where(sql`${t.status} = 'succeeded'`),
    index('sync_runs_complete')
      .on(t.account_key, t.run_id)
      .where(sql`${t.verdict} = 'complete'`),
    // Both count a streak without reading its runs. Rare rows, so hardly any space.
    index('sync_runs_failed')
      .on(t.account_key, t.run_id, t.verdict, t.error_code)
      .where(sql`${t.status} <> 'succeeded'`),
    index('sync_runs_partial')
      .on(t.account_key, t.run_id)
      .where(sql`${t.verdict} = 'partial'`),
    check('sync_runs_trigger', sql`${t.trigger} in ('cron', 'cli', 'http', 'import')`),
    check('sync_runs_status', sql`${t.status} in ('succeeded', 'failed', 'abandoned')`),
    check('sync_runs_verdict', sql`${t.verdict} in ('complete', 'partial')`),
    check(
      'sync_runs_success',
      sql`${t.status} <> 'succeeded' or (${t.snapshot_id} is not null and ${t.error_code} is null)`,
    ),
    check('sync_runs_published', sql`(${t.snapshot_id} is null) = (${t.verdict} is null)`),
    check('sync_runs_feed_value', sql`${t.feed_id} = ${t.snapshot_id}`),
    check('sync_runs_failure', sql`${t.status} <> 'failed' or ${t.error_code} is not null`),
  ],
);

export const snapshots = risk.table(
  'snapshots',
  {
    account_key: accountKey().references(() => accounts.account_key),
    snapshot_id: snapshotId(),
    observed_at: timestamptz('observed_at').notNull(),
    verdict: text().notNull(),
    expected_unseen: doublePrecision(),
    is_baseline: boolean().notNull(),
    user_count: integer().notNull(),
    met_count: integer().notNull(),
    carried_count: integer().notNull(),
    event_count: int8('event_count').notNull(),
    appeared: integer().notNull(),
    raised: integer().notNull(),
    lowered: integer().notNull(),
    cleared: integer().notNull(),
    returned: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.snapshot_id] }),
    unique('snapshots_account_key_observed_at').on(t.account_key, t.observed_at),
    // snapshot_users(snapshot_id) finds its account with it. Not unique: Citus allows a unique index only if it
    // includes the account.
    index('snapshots_snapshot_id').on(t.snapshot_id),
    check('snapshots_verdict', sql`${t.verdict} in ('complete', 'partial')`),
    check('snapshots_user_count', sql`${t.user_count} = ${t.met_count} + ${t.carried_count}`),
    check(
      'snapshots_counts',
      sql`least(${t.met_count}, ${t.carried_count}, ${t.event_count}, ${t.appeared}, ${t.raised}, ${t.lowered}, ${t.cleared}, ${t.returned}) >= 0`,
    ),
    check('snapshots_observed_at', sql`extract(microseconds from ${t.observed_at})::integer % 1000 = 0`),
  ],
);

export const snapshotLevels = risk.table(
  'snapshot_levels',
  {
    account_key: accountKey(),
    snapshot_id: snapshotId(),
    max_risk_level: text().notNull(),
    user_count: integer().notNull(),
    event_count: int8('event_count').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.snapshot_id, t.max_risk_level] }),
    foreignKey({
      name: 'snapshot_levels_snapshots',
      columns: [t.account_key, t.snapshot_id],
      foreignColumns: [snapshots.account_key, snapshots.snapshot_id],
    }),
    check('snapshot_levels_max_risk_level', sql`${t.max_risk_level} in ('low', 'medium', 'high')`),
    check('snapshot_levels_counts', sql`${t.user_count} >= 0 and ${t.event_count} >= 0`),
  ],
);

// No foreign keys on the four per-user tables: see docs/decisions.md ("No foreign keys under the users").
export const users = risk.table(
  'users',
  {
    account_key: accountKey(),
    user_key: userKey(),
    user_id: uuid().notNull(),
    max_risk_level: text(),
    event_count: integer().notNull(),
    last_event: timestamptz('last_event').notNull(),
    level_since: timestamptz('level_since'),
    identity_since: timestamptz('identity_since').notNull(),
    first_seen_at: timestamptz('first_seen_at').notNull(),
    absent_since: timestamptz('absent_since'),
    cleared_at: timestamptz('cleared_at'),
    snapshot_id: snapshotId(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.user_key] }),
    unique('users_account_key_user_id').on(t.account_key, t.user_id),
    check('users_max_risk_level', sql`${t.max_risk_level} in ('low', 'medium', 'high')`),
    check('users_event_count', sql`${t.event_count} >= 0`),
    check('users_cleared', sql`(${t.max_risk_level} is null) = (${t.cleared_at} is not null)`),
    check('users_level_since', sql`(${t.max_risk_level} is null) = (${t.level_since} is null)`),
    check('users_absent_since', sql`${t.absent_since} is null or ${t.cleared_at} is null`),
  ],
);

export const userIdentities = risk.table(
  'user_identities',
  {
    account_key: accountKey(),
    user_key: userKey(),
    valid_from: timestamptz('valid_from').notNull(),
    valid_to: timestamptz('valid_to'),
    email: text(),
    name: text(),
    snapshot_id: snapshotId(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.user_key, t.valid_from] }),
    uniqueIndex('user_identities_open')
      .on(t.account_key, t.user_key)
      .where(sql`${t.valid_to} is null`),
    // No CHECK, because the server would quote the row with its email and name. `doctor` looks for overlapping periods
    // instead.
  ],
);

export const userLevels = risk.table(
  'user_levels',
  {
    account_key: accountKey(),
    user_key: userKey(),
    valid_from: timestamptz('valid_from').notNull(),
    valid_to: timestamptz('valid_to'),
    max_risk_level: text().notNull(),
    previous_level: text(),
    change: text().notNull(),
    end_reason: text(),
    absent_since: timestamptz('absent_since'),
    last_reset_time: timestamptz('last_reset_time'),
    snapshot_id: snapshotId(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.user_key, t.valid_from] }),
    uniqueIndex('user_levels_open')
      .on(t.account_key, t.user_key)
      .where(sql`${t.valid_to} is null`),
    // For the periods that began, and the users who were cleared, within a span of time. Without these two indexes, a
    // question about one week reads the whole history.
    index('user_levels_valid_from').on(t.account_key, t.valid_from),
    index('user_levels_cleared')
      .on(t.account_key, t.valid_to)
      .where(sql`${t.end_reason} <> 'changed'`),
    // Finds the ended periods that contain an instant, however long the history is. `users` has the open ones.
    index('user_levels_ended')
      .using('gist', sql`tstzrange(${t.valid_from}, ${t.valid_to})`)
      .where(sql`${t.valid_to} is not null`),
    check('user_levels_valid_to', sql`${t.valid_to} > ${t.valid_from}`),
    check('user_levels_max_risk_level', sql`${t.max_risk_level} in ('low', 'medium', 'high')`),
    check('user_levels_change', sql`${t.change} in ('appeared', 'raised', 'lowered', 'returned')`),
    check(
      'user_levels_previous_level',
      sql`case when ${t.change} in ('appeared', 'returned') then ${t.previous_level} is null
        else ${t.previous_level} is not null and (${t.change} = 'raised') = ((${t.previous_level}, ${t.max_risk_level}) in (('low', 'medium'), ('low', 'high'), ('medium', 'high')))
          and ${t.previous_level} in ('low', 'medium', 'high') and ${t.previous_level} <> ${t.max_risk_level} end`,
    ),
    check('user_levels_end_reason', sql`${t.end_reason} in ('changed', 'reset', 'absent')`),
    check('user_levels_end', sql`(${t.valid_to} is null) = (${t.end_reason} is null)`),
    check(
      'user_levels_absent_since',
      sql`${t.absent_since} is null or ${t.end_reason} in ('reset', 'absent')`,
    ),
  ],
);

export const userActivity = risk.table(
  'user_activity',
  {
    account_key: accountKey(),
    user_key: userKey(),
    observed_at: timestamptz('observed_at').notNull(),
    event_count: integer().notNull(),
    last_event: timestamptz('last_event').notNull(),
    snapshot_id: snapshotId(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.user_key, t.observed_at] }),
    // Finds the rows of a snapshot, wherever they lie: after a prune, new rows fill the gaps among old ones. All rows of a
    // snapshot share one key, so that PostgreSQL stores it once: 7 bytes a row.
    index('user_activity_snapshot_id').on(t.account_key, t.snapshot_id),
    check('user_activity_event_count', sql`${t.event_count} >= 0`),
  ],
);

/**
 * One row per account and part of the history of which something was deleted because it was old. In schema `risk`,
 * because the functions of risk_bi and every extractor must know from which instant on a history is whole.
 */
export const retention = risk.table(
  'retention',
  {
    account_key: accountKey().references(() => accounts.account_key),
    dataset: text().notNull(),
    whole_since: timestamptz('whole_since').notNull(),
    // How far prune has worked. Only for activity, whose rows are found by their snapshots.
    pruned_up_to: int8('pruned_up_to'),
    row_count: int8('row_count').notNull(),
    pruned_at: timestamptz('pruned_at').notNull(),
    feed_id: int8('feed_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.dataset] }),
    check('retention_dataset', sql`${t.dataset} in ('activity', 'levels', 'identities', 'runs')`),
    check('retention_row_count', sql`${t.row_count} >= 1`),
  ],
);

/** Hands out run ids. Gaps have no meaning: a claim that finds a live lease has used up an id. */
export const runIds = riskInternal.sequence('run_ids');

export const leases = riskInternal.table(
  'leases',
  {
    account_key: integer()
      .primaryKey()
      .references(() => accounts.account_key),
    run_id: int8('run_id').notNull(),
    owner: uuid().notNull(),
    trigger: text().notNull(),
    scheduled_for: timestamptz('scheduled_for'),
    started_at: timestamptz('started_at').notNull(),
    heartbeat_at: timestamptz('heartbeat_at').notNull(),
    host: text().notNull(),
    process: text().notNull(),
    progress: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  },
  (t) => [check('leases_trigger', sql`${t.trigger} in ('cron', 'cli', 'http', 'import')`)],
);

/**
 * One row. Its lock orders the writers of all accounts, so that snapshot_id and feed_id rise in commit order. The epoch
 * tells readers that they read another history than before.
 */
export const feedClock = riskInternal.table(
  'feed_clock',
  {
    id: integer().primaryKey(),
    last_snapshot_id: int8('last_snapshot_id').notNull(),
    epoch: uuid().notNull().defaultRandom(),
    // Where the history was when a value was last taken. If it is elsewhere now, it was restored, copied or promoted.
    place: text(),
    copied_at: timestamptz('copied_at'),
  },
  (t) => [check('feed_clock_one_row', sql`${t.id} = 1`)],
);

/**
 * One row per epoch that began because the history moved: restored, copied, or promoted. Up to `began_after`, it is the
 * history of `previous_epoch`. An epoch that somebody sets by hand has no row.
 */
export const epochs = riskInternal.table(
  'epochs',
  {
    epoch: uuid().primaryKey(),
    previous_epoch: uuid('previous_epoch').notNull(),
    began_after: int8('began_after').notNull(),
    began_at: timestamptz('began_at').notNull(),
    reason: text().notNull(),
  },
  (t) => [check('epochs_reason', sql`${t.reason} in ('copied', 'moved')`)],
);

/**
 * The last writer of an account's users, and the highest key ever given to one of them. Every writer of users takes a
 * value of the feed clock and stores it here. A publish compares it with the value that was read before the walk.
 */
export const accountWriters = riskInternal.table('account_writers', {
  account_key: integer()
    .primaryKey()
    .references(() => accounts.account_key),
  last_user_key: integer('last_user_key').notNull(),
  last_snapshot_id: int8('last_snapshot_id').notNull(),
});

/**
 * What a publish is about to change: one row per user, written and removed in its transaction. UNLOGGED (see the
 * migration). No constraint except NOT NULL, because the server's error message would quote the row.
 */
export const stagedChanges = riskInternal.table('staged_changes', {
  account_key: accountKey(),
  user_key: userKey(),
  user_id: uuid().notNull(),
  is_new: boolean().notNull(),
  is_missing: boolean().notNull(),
  old_level: text(),
  new_level: text(),
  identity_changed: boolean().notNull(),
  activity_changed: boolean().notNull(),
  email: text(),
  name: text(),
  event_count: integer(),
  last_event: timestamptz('last_event'),
  lookup_outcome: text(),
  last_reset_time: timestamptz('last_reset_time'),
  end_reason: text(),
});

/**
 * Rejected records on their way into quarantine, written and removed in one transaction. UNLOGGED (see the migration).
 * No constraint, so that nobody waits for a lock of a COPY whose client has stopped.
 */
export const stagedRejected = riskInternal.table('staged_rejected', {
  account_key: accountKey(),
  record_hash: text().notNull(),
  user_id: uuid(),
  reason: text().notNull(),
  raw: text().notNull(),
});

/**
 * What the own record of an absent user said at the last lookup. Not in `users`, because a lookup must not touch a user
 * (P5).
 */
export const lookups = riskInternal.table(
  'lookups',
  {
    account_key: accountKey(),
    user_key: userKey(),
    run_id: int8('run_id').notNull(),
    asked_at: timestamptz('asked_at').notNull(),
    outcome: text().notNull(),
    level_at: timestamptz('level_at'),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.user_key] }),
    check('lookups_level_at', sql`${t.outcome} <> 'level' or ${t.level_at} is not null`),
    check('lookups_outcome', sql`${t.outcome} in ('level', 'no_level', 'reset', 'not_found', 'unreadable')`),
  ],
);

export const rejectedRecords = riskInternal.table(
  'rejected_records',
  {
    account_key: accountKey(),
    record_hash: text().notNull(),
    user_id: uuid(),
    reason: text().notNull(),
    raw: text().notNull(),
    first_run_id: int8('first_run_id').notNull(),
    last_run_id: int8('last_run_id').notNull(),
    first_seen_at: timestamptz('first_seen_at').notNull(),
    last_seen_at: timestamptz('last_seen_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.record_hash] }),
    index('rejected_records_last_run_id').on(t.account_key, t.last_run_id),
  ],
);

/**
 * The files that were imported: a file that is met again under the same instant is done. The instant belongs to the key,
 * because an account that has not changed is saved with equal content twice. Without the names of files: people put
 * anything into them.
 */
export const imports = riskInternal.table(
  'imports',
  {
    account_key: accountKey(),
    observed_at: timestamptz('observed_at').notNull(),
    digest: text().notNull(),
    snapshot_id: snapshotId(),
    imported_at: timestamptz('imported_at')
      .notNull()
      .default(sql`now()`),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.observed_at, t.digest] }),
    check('imports_digest', sql`${t.digest} ~ '^[0-9a-f]{64}$'`),
  ],
);
