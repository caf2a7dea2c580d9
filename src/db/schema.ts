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

/**
 * Gives accounts their keys, and keeps their ids unique. On one PostgreSQL, `accounts` could do both. A distributed
 * table cannot: it allows no unique index without its distribution key, and an identity column would involve every
 * node.
 */
export const accountKeys = riskInternal.table('account_keys', {
  account_key: integer().primaryKey().generatedAlwaysAsIdentity(),
  account_id: text().notNull().unique(),
});

export const accounts = risk.table(
  'accounts',
  {
    account_key: integer().primaryKey(),
    account_id: text().notNull(),
    label: text(),
    added_at: timestamptz('added_at')
      .notNull()
      .default(sql`now()`),
    retired_at: timestamptz('retired_at'),
    feed_id: int8('feed_id').notNull(),
  },
  (t) => [index('accounts_account_id').on(t.account_id)],
);

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
    // Both count a streak without reading its runs. Such rows are rare, so the indexes take hardly any space.
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
    erased_at: timestamptz('erased_at'),
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
    // query about one week reads the whole history.
    index('user_levels_valid_from').on(t.account_key, t.valid_from),
    index('user_levels_cleared')
      .on(t.account_key, t.valid_to)
      .where(sql`${t.end_reason} <> 'changed'`),
    // Finds the ended periods that contain an instant, even in a long history. `users` has the open ones.
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
    // Finds the rows of a snapshot wherever they are: after a prune, new rows fill the gaps among old ones. All rows of
    // a snapshot share one key, so PostgreSQL stores the key once: 7 bytes a row.
    index('user_activity_snapshot_id').on(t.account_key, t.snapshot_id),
    check('user_activity_event_count', sql`${t.event_count} >= 0`),
  ],
);

/**
 * One row per account and part of the history in which old rows were deleted. In schema `risk`, because the functions
 * of risk_bi and every extractor must know from which instant on a history is whole.
 */
export const retention = risk.table(
  'retention',
  {
    account_key: accountKey().references(() => accounts.account_key),
    dataset: text().notNull(),
    whole_since: timestamptz('whole_since').notNull(),
    // How far `prune` has worked. Only for activity, whose rows are found by their snapshots.
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

/**
 * The requests that all replicas have sent, or may still send, with the same credentials. The row's lock orders their
 * reservations. It belongs to no account. On Citus it stays a local table of the coordinator.
 */
export const requestBudgets = riskInternal.table(
  'request_budgets',
  {
    identity: text().notNull(),
    window_ms: integer('window_ms').notNull(),
    request_limit: integer('request_limit').notNull(),
    first_slice: int8('first_slice').notNull(),
    slices: integer().array().notNull(),
    granted: integer().notNull(),
    booked_for: timestamptz('booked_for').notNull(),
    blocked_until: timestamptz('blocked_until'),
    renewed_at: timestamptz('renewed_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.identity, t.window_ms] }),
    check('request_budgets_identity', sql`${t.identity} ~ '^[0-9a-f]{64}$'`),
    check('request_budgets_window_ms', sql`${t.window_ms} > 0`),
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
 * On one PostgreSQL, the table has one row, with key 0, for all accounts. Its lock orders their writers, so that
 * snapshot_id and feed_id rise in commit order. A distributed history has one row per account.
 * risk_internal.feed_clock_key() returns the key. The epoch tells readers that they read a different history than
 * before.
 */
export const feedClock = riskInternal.table('feed_clock', {
  account_key: integer().primaryKey(),
  last_snapshot_id: int8('last_snapshot_id').notNull(),
  epoch: uuid().notNull().defaultRandom(),
  // Where the database was when a value was last taken. If it is elsewhere now, the history was restored, copied or
  // promoted.
  place: text(),
  copied_at: timestamptz('copied_at'),
});

/**
 * An epoch that began because the history moved (restored, copied, or promoted), and each epoch that it continues. Up
 * to `began_after`, it is the history of `previous_epoch`. The earlier ones are repeated, because a distributed
 * database cannot follow them one by one. An epoch that a person sets by hand has no row.
 */
export const epochs = riskInternal.table(
  'epochs',
  {
    account_key: accountKey(),
    epoch: uuid().notNull(),
    previous_epoch: uuid('previous_epoch').notNull(),
    began_after: int8('began_after').notNull(),
    began_at: timestamptz('began_at').notNull(),
    reason: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account_key, t.epoch, t.previous_epoch] }),
    check('epochs_reason', sql`${t.reason} in ('copied', 'moved')`),
  ],
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
 * What is kept of the emails and names of an account. A run compares it with its own setting before it writes anything.
 * No row: nothing was written yet, or a version without modes kept everything.
 */
export const identityModes = riskInternal.table(
  'identity_modes',
  {
    account_key: integer()
      .primaryKey()
      .references(() => accounts.account_key),
    mode: text().notNull(),
    key_id: text('key_id'),
    // Null: since the account was added.
    since: timestamptz('since'),
    is_applied: boolean('is_applied').notNull(),
  },
  (t) => [
    check('identity_modes_mode', sql`${t.mode} in ('full', 'pseudonymous', 'none')`),
    check('identity_modes_key', sql`(${t.mode} = 'pseudonymous') = (${t.key_id} is not null)`),
  ],
);

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
 * No constraint, so that no session waits for a lock of a COPY with a stopped client.
 */
export const stagedRejected = riskInternal.table('staged_rejected', {
  account_key: accountKey(),
  record_hash: text().notNull(),
  user_id: uuid(),
  reason: text().notNull(),
  raw: text().notNull(),
});

/**
 * Identities that are about to be rewritten as hashes, written and removed in one transaction. UNLOGGED (see the
 * migration). It never holds an email or a name.
 */
export const stagedIdentities = riskInternal.table('staged_identities', {
  account_key: accountKey(),
  user_key: userKey(),
  valid_from: timestamptz('valid_from').notNull(),
  // The value of the row that was read. A row that was written since then is left alone.
  snapshot_id: snapshotId(),
  email: text(),
  name: text(),
});

/**
 * What an absent user's own record said at the last lookup. Not in `users`, because a lookup must not touch a user
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
 * The files that were imported. A file that is imported again with the same instant is skipped. The instant belongs to
 * the key, because an unchanged account is saved with equal content twice. File names are not stored: people put
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

/**
 * One row: the key that hashes the ids of forgotten people. The database makes the key, so that it is no parameter of a
 * statement.
 */
export const erasureKey = riskInternal.table(
  'erasure_key',
  {
    id: integer().primaryKey(),
    key: text()
      .notNull()
      .default(sql`gen_random_uuid()::text || gen_random_uuid()::text`),
  },
  (t) => [check('erasure_key_one_row', sql`${t.id} = 1`)],
);

/**
 * The people who were erased, without personal data: the id that replaces theirs in every account. With a hash of the
 * real id, a person is recognised when the API serves them again.
 */
export const erasedPeople = riskInternal.table(
  'erased_people',
  {
    user_id: uuid().primaryKey(),
    mode: text().notNull(),
    user_hash: text().unique(),
    began_at: timestamptz('began_at')
      .notNull()
      .default(sql`now()`),
    finished_at: timestamptz('finished_at'),
    account_count: integer('account_count').notNull().default(0),
    identity_count: integer('identity_count').notNull().default(0),
    rejected_count: integer('rejected_count').notNull().default(0),
    lookup_count: integer('lookup_count').notNull().default(0),
    run_count: integer('run_count').notNull().default(0),
  },
  (t) => [
    check('erased_people_mode', sql`${t.mode} in ('forget', 'once')`),
    check('erased_people_user_hash', sql`${t.user_hash} ~ '^[0-9a-f]{64}$'`),
    // With --once, a person is recognised only until the erasure is finished.
    check(
      'erased_people_hashed',
      sql`(${t.user_hash} is not null) = (${t.mode} = 'forget' or ${t.finished_at} is null)`,
    ),
  ],
);
