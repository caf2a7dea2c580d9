// What can be exported: for each dataset its rows, its columns, and the number that says when a row was last written.
// Columns have the names of the tables and views. Pure text; select-rows.ts makes statements of it.
import { IDENTITY_FIELDS, mapIdentity } from '../user-risk.ts';

/** `outside`: text from outside this program, such as a name. A spreadsheet could mistake it for a formula. */
export type ColumnKind = 'text' | 'outside' | 'uuid' | 'time' | 'integer' | 'bigint' | 'double' | 'boolean';
export type DatasetColumn = { name: string; kind: ColumnKind; sql: string };

export type Dataset = {
  name: DatasetName;
  about: string;
  columns: readonly DatasetColumn[];
  /** FROM: `a` is risk.accounts. For one snapshot: the text after the list `s` of snapshots. */
  from: string;
  /** The alias that has account_id, if it is not `a`. */
  account?: 'c' | 's';
  /** The feed value of the transaction that last wrote the row. */
  stamp: string;
  /** The time of a row, or the period that it is about. Undefined: current state, which has no time. */
  span?: { from: string; to: string };
  /** Whether it holds emails and names. */
  isPersonal?: true;
  /** One snapshot, so no later export continues it. */
  isSnapshot?: true;
};

export const DATASET_NAMES = [
  'accounts',
  'users',
  'identities',
  'levels',
  'activity',
  'snapshots',
  'snapshot-levels',
  'level-changes',
  'runs',
  'retention',
  'snapshot-users',
] as const;
export type DatasetName = (typeof DATASET_NAMES)[number];

const KINDS: Readonly<Record<string, ColumnKind>> = {
  label: 'outside',
  ...mapIdentity((): ColumnKind => 'outside'),
  error_message: 'outside',
  user_id: 'uuid',
  user_key: 'integer',
  expected_unseen: 'double',
  is_baseline: 'boolean',
  snapshot_id: 'bigint',
  feed_id: 'bigint',
  run_id: 'bigint',
  bytes: 'bigint',
};
const TIMES = /_(at|from|to|since|time|for)$|^last_event$/;
const COUNTS =
  /_count$|^(passes|pages|requests|retries|users_met|duplicates|rejected|lookups|appeared|raised|lowered|cleared|returned)$|^total_(first|last)$/;

/** These have the account's id themselves. */
const OWN_ACCOUNT = ['c', 's'];

/** `of`: the alias of the table that has these columns. `wide`: counts that need 64 bits there. */
function columns(of: string, names: string, wide: readonly string[] = []): DatasetColumn[] {
  return names.split(' ').map((name) => {
    const sql = `${name === 'account_id' && !OWN_ACCOUNT.includes(of) ? 'a' : name === 'user_id' && of !== 'c' ? 'u' : of}.${name}`;
    if (wide.includes(name)) return { name, kind: 'bigint', sql };
    const known = KINDS[name];
    if (known !== undefined) return { name, kind: known, sql };
    return { name, kind: TIMES.test(name) ? 'time' : COUNTS.test(name) ? 'integer' : 'text', sql };
  });
}

const IDENTITY = IDENTITY_FIELDS.join(' ');
const ACCOUNTS = 'join risk.accounts a using (account_key)';
const USERS = 'join risk.users u using (account_key, user_key)';

const ALL: readonly Dataset[] = [
  {
    name: 'accounts',
    about: 'one row per account',
    columns: columns('a', 'account_id label added_at retired_at feed_id'),
    from: 'risk.accounts a',
    stamp: 'a.feed_id',
  },
  {
    name: 'users',
    about: 'every user ever met, in the current state',
    columns: columns(
      'u',
      'account_id user_id user_key max_risk_level event_count last_event level_since identity_since first_seen_at absent_since cleared_at erased_at snapshot_id',
    ),
    from: `risk.users u ${ACCOUNTS}`,
    stamp: 'u.snapshot_id',
  },
  {
    name: 'identities',
    about: 'personal data: every email and name of a user',
    columns: columns('t', `account_id user_id user_key valid_from valid_to ${IDENTITY} snapshot_id`),
    from: `risk.user_identities t ${USERS} ${ACCOUNTS}`,
    stamp: 't.snapshot_id',
    span: { from: 't.valid_from', to: 't.valid_to' },
    isPersonal: true,
  },
  {
    name: 'levels',
    about: 'every period of a user at one level',
    columns: columns(
      't',
      'account_id user_id user_key valid_from valid_to max_risk_level previous_level change end_reason absent_since last_reset_time snapshot_id',
    ),
    from: `risk.user_levels t ${USERS} ${ACCOUNTS}`,
    stamp: 't.snapshot_id',
    span: { from: 't.valid_from', to: 't.valid_to' },
  },
  {
    name: 'activity',
    about: "every change of a user's event counters",
    columns: columns('t', 'account_id user_id user_key observed_at event_count last_event snapshot_id'),
    from: `risk.user_activity t ${USERS} ${ACCOUNTS}`,
    stamp: 't.snapshot_id',
    span: { from: 't.observed_at', to: 't.observed_at' },
  },
  {
    name: 'snapshots',
    about: 'one row per snapshot, with its counts',
    columns: columns(
      't',
      'account_id snapshot_id observed_at verdict expected_unseen is_baseline user_count met_count carried_count event_count appeared raised lowered cleared returned',
      ['event_count'],
    ),
    from: `risk.snapshots t ${ACCOUNTS}`,
    stamp: 't.snapshot_id',
    span: { from: 't.observed_at', to: 't.observed_at' },
  },
  {
    name: 'snapshot-levels',
    about: 'users per level in every snapshot',
    columns: [
      ...columns('t', 'account_id snapshot_id'),
      ...columns('s', 'observed_at'),
      ...columns('t', 'max_risk_level user_count event_count', ['event_count']),
    ],
    from: `risk.snapshot_levels t join risk.snapshots s using (account_key, snapshot_id) ${ACCOUNTS}`,
    stamp: 't.snapshot_id',
    span: { from: 's.observed_at', to: 's.observed_at' },
  },
  {
    name: 'level-changes',
    about: 'every change of a level after the first load',
    columns: columns('c', 'account_id user_id changed_at from_level to_level change snapshot_id'),
    from: 'risk_bi.level_changes c',
    account: 'c',
    stamp: 'c.snapshot_id',
    span: { from: 'c.changed_at', to: 'c.changed_at' },
  },
  {
    name: 'runs',
    about: 'every finished attempt, failed ones included',
    columns: columns(
      't',
      'account_id run_id trigger scheduled_for status verdict started_at finished_at passes expected_unseen pages requests retries bytes users_met duplicates rejected total_first total_last lookups error_code error_message snapshot_id feed_id',
    ),
    from: `risk.sync_runs t ${ACCOUNTS}`,
    stamp: 't.feed_id',
    span: { from: 't.finished_at', to: 't.finished_at' },
  },
  {
    name: 'retention',
    about: 'since when each part is whole, where old rows were deleted',
    columns: columns('t', 'account_id dataset whole_since row_count pruned_at feed_id', ['row_count']),
    from: `risk.retention t ${ACCOUNTS}`,
    stamp: 't.feed_id',
  },
  {
    name: 'snapshot-users',
    about: 'one snapshot in full: all users who are present in it',
    columns: [
      ...columns('s', 'account_id'),
      ...columns('c', 'user_id max_risk_level event_count last_event'),
      ...columns('s', 'snapshot_id observed_at'),
    ],
    from: 'cross join lateral risk_bi.users_as_of(s.account_id, s.observed_at) c',
    account: 's',
    stamp: 's.snapshot_id',
    isSnapshot: true,
  },
];

/** A snapshot with emails and names. */
const PERSONAL_SNAPSHOT: Dataset = {
  name: 'snapshot-users',
  about: 'one snapshot in full, with email and name',
  columns: [
    ...columns('s', 'account_id'),
    ...columns('c', `user_id ${IDENTITY} max_risk_level event_count last_event`),
    ...columns('s', 'snapshot_id observed_at'),
  ],
  from: 'cross join lateral risk_bi.snapshot_users(s.account_id, s.snapshot_id) c',
  account: 's',
  stamp: 's.snapshot_id',
  isPersonal: true,
  isSnapshot: true,
};

export function datasetOf(name: DatasetName, identities: boolean): Dataset {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no dataset ${name}`);
  return identities && found.isSnapshot === true ? PERSONAL_SNAPSHOT : found;
}

/** The datasets of `all`: every one that a later export can continue. Identities are included only on request. */
export function allDatasets(identities: boolean): DatasetName[] {
  return ALL.filter(
    ({ isPersonal, isSnapshot }) => isSnapshot !== true && (identities || isPersonal !== true),
  ).map(({ name }) => name);
}

export function aboutDatasets(): { name: DatasetName; about: string }[] {
  return ALL.map(({ name, about }) => ({ name, about }));
}
