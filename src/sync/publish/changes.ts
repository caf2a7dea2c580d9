// What a publish changes, one row per user, and the counts of the resulting snapshot. Pure: it reads the user table,
// the change log and the decision about the missing. A second read gives the same rows and the same keys.
import type { CopyValue } from '../../db/copy-rows.ts';
import { readInstant, type PostgresInstant } from '../../db/postgres-instant.ts';
import { IDENTITY_FIELDS, fieldsOf, RISK_LEVELS, type Change } from '../../user-risk.ts';
import type { AbsenceDecision, LookupAnswer } from '../absence/absence.ts';
import type { MissingUser } from '../absence/missing-users.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import type { LevelSums } from '../state/level-sums.ts';
import type { AccountState } from '../state/read-state.ts';
import { ACTIVITY, IDENTITY, VALUE_OF, type LevelRank, type UserTable } from '../state/user-table.ts';
import type { ChangeLog } from '../walk/change-log.ts';
import { levelOf } from '../walk/compare-records.ts';

export type ChangeInputs = {
  state: Pick<AccountState, 'lastUserKey' | 'sums'>;
  table: UserTable;
  /** The key that hashed the identities in the table. */
  key: HashKey;
  log: Pick<ChangeLog, 'read'>;
  missing: readonly MissingUser[];
  answers: ReadonlyMap<number, LookupAnswer>;
  /** Rows of the missing users with an own record that proves that they have no level. */
  gone: ReadonlySet<number>;
  decision: Exclude<AbsenceDecision, 'empty_answer'>;
};

const ACTIVITY_FIELDS = fieldsOf('activity');

/** Columns of staged_changes, in the order of `rows`. */
export const CHANGE_COLUMNS = [
  'account_key',
  'user_key',
  'user_id',
  'is_new',
  'is_missing',
  'old_level',
  'new_level',
  'identity_changed',
  'activity_changed',
  ...IDENTITY_FIELDS,
  ...ACTIVITY_FIELDS,
  'lookup_outcome',
  'last_reset_time',
  'end_reason',
] as const;

type ChangeColumn = (typeof CHANGE_COLUMNS)[number];
/** The index of a column in a row. */
const AT = Object.fromEntries(CHANGE_COLUMNS.map((column, at) => [column, at])) as Record<
  ChangeColumn,
  number
>;

/** Counted while the rows are read; complete after the last row. */
export type ChangeCounts = Record<Change, number> & {
  /** Rows of staged_changes. */
  rows: number;
  /** Users the history knows: those with a changed email or name, and those with changed counters. */
  renamed: number;
  acted: number;
  /** Users the history knows who are written: changed, returned, or no longer absent. Missing users do not count. */
  updated: number;
  /** Missing users that this publish marks as absent. */
  newlyAbsent: number;
  /** Missing users who were looked up. */
  asked: number;
  /** The account after the publish. */
  sums: LevelSums;
  lastUserKey: number;
};

export type Changes = {
  counts: ChangeCounts;
  /** It yields the same array each time. */
  rows: Iterable<readonly CopyValue[]>;
};

/** The maximum number of rows. The time limits of the publish grow with it. */
export function countRows({ table, missing }: Pick<ChangeInputs, 'table' | 'missing'>): number {
  let rows = missing.length;
  for (let row = 0; row < table.size(); row++)
    if (table.isChanged(row) || (table.isAbsent(row) && table.wasMet(row))) rows++;
  return rows;
}

/** Each call reads everything again, so a publish that is retried sends the same bytes. */
export function readChanges(accountKey: number, inputs: ChangeInputs): Changes {
  const userId = new Uint8Array(16);
  const row: CopyValue[] = CHANGE_COLUMNS.map(() => null);
  row[AT.account_key] = accountKey;
  row[AT.user_id] = userId;
  const reading: ChangeReading = { inputs, counts: startCounts(inputs.state), row, userId };
  return { counts: reading.counts, rows: rowsOf(reading) };
}

/** The state of one read of all changes. `row` is filled again for each change. */
type ChangeReading = { inputs: ChangeInputs; counts: ChangeCounts; row: CopyValue[]; userId: Uint8Array };

function startCounts(state: ChangeInputs['state']): ChangeCounts {
  return {
    rows: 0,
    appeared: 0,
    returned: 0,
    raised: 0,
    lowered: 0,
    cleared: 0,
    renamed: 0,
    acted: 0,
    updated: 0,
    newlyAbsent: 0,
    asked: 0,
    sums: structuredClone(state.sums),
    lastUserKey: state.lastUserKey,
  };
}

function* rowsOf(reading: ChangeReading): Generator<readonly CopyValue[]> {
  yield* changed(reading);
  yield* absentNoMore(reading);
  yield* absent(reading);
}

/** Begins the row of a user. Columns that are not set stay null. */
function begin({ inputs: { table }, counts, row, userId }: ChangeReading, at: number, userKey: number): void {
  counts.rows++;
  row.fill(null, AT.is_new);
  row[AT.user_key] = userKey;
  table.writeUserId(at, userId);
  row[AT.is_new] = table.key(at) === 0;
  row[AT.is_missing] = false;
  row[AT.old_level] = levelOf(table.level(at));
  row[AT.identity_changed] = false;
  row[AT.activity_changed] = false;
}

function* changed(reading: ChangeReading): Generator<readonly CopyValue[]> {
  const { inputs, counts, row } = reading;
  const { table, key, log } = inputs;
  // Whether the change still counts: no later record has superseded it or taken it back.
  const stands = (at: number, change: number) => table.change(at) === change && table.isChanged(at);
  for (const change of log.read(stands, (at, other) => table.compareIds(at, other))) {
    const { row: at, level, eventCount } = change;
    keyedHash(key, change.encoded, 0, change.encoded.length, change.hash, 0);
    const isNew = table.key(at) === 0;
    const old = table.level(at);
    const parts = table.compare(at, change);
    begin(reading, at, isNew ? ++counts.lastUserKey : table.key(at));
    if (isNew) counts.appeared++;
    else countChanged(counts, parts, old, level);
    move(counts.sums, old, table.eventCount(at), level, eventCount);
    row[AT.new_level] = levelOf(level);
    if ((parts & IDENTITY) !== 0) {
      row[AT.identity_changed] = true;
      for (const field of IDENTITY_FIELDS) row[AT[field]] = change.identity[field];
    }
    row[AT.activity_changed] = (parts & ACTIVITY) !== 0;
    for (const field of ACTIVITY_FIELDS) row[AT[field]] = change[VALUE_OF[field]];
    yield row;
  }
}

/** Counts the change of a user whom the history knows. `parts`: bits of the comparison. */
function countChanged(counts: ChangeCounts, parts: number, old: LevelRank, level: LevelRank): void {
  counts.updated++;
  if (old === 0) counts.returned++;
  else if (level > old) counts.raised++;
  else if (level < old) counts.lowered++;
  if ((parts & IDENTITY) !== 0) counts.renamed++;
  if ((parts & ACTIVITY) !== 0) counts.acted++;
}

function move(sums: LevelSums, from: LevelRank, fromEvents: number, to: LevelRank, toEvents: number): void {
  const [old, now] = [RISK_LEVELS[from - 1], RISK_LEVELS[to - 1]];
  if (old !== undefined) {
    sums[old].users--;
    sums[old].events -= fromEvents;
  }
  if (now !== undefined) {
    sums[now].users++;
    sums[now].events += toEvents;
  }
}

/** Users who were met again without any other change, even if only a rejected record met them. */
function* absentNoMore(reading: ChangeReading): Generator<readonly CopyValue[]> {
  const { inputs, counts, row } = reading;
  const { table } = inputs;
  for (let at = 0; at < table.size(); at++) {
    if (!table.isAbsent(at) || !table.wasMet(at) || table.isChanged(at)) continue;
    begin(reading, at, table.key(at));
    row[AT.new_level] = row[AT.old_level] as string;
    counts.updated++;
    yield row;
  }
}

function* absent(reading: ChangeReading): Generator<readonly CopyValue[]> {
  const { inputs, counts, row } = reading;
  const { table, missing, answers } = inputs;
  const resetTime: PostgresInstant = { seconds: 0, micros: 0 };
  for (const user of missing) {
    const at = user.row;
    const answer = answers.get(at);
    const isCleared = isClearedBy(inputs, user, answer);
    if (!isCleared && answer === undefined && table.isAbsent(at)) continue;
    begin(reading, at, user.userKey);
    row[AT.is_missing] = true;
    if (answer !== undefined) {
      counts.asked++;
      row[AT.lookup_outcome] = answer.outcome;
      if (answer.lastResetTime !== null) {
        readInstant(answer.lastResetTime, resetTime);
        row[AT.last_reset_time] = resetTime;
      }
    }
    if (isCleared) {
      counts.cleared++;
      row[AT.end_reason] = answer?.outcome === 'reset' ? 'reset' : 'absent';
      move(counts.sums, table.level(at), table.eventCount(at), 0, 0);
    } else if (!table.isAbsent(at)) counts.newlyAbsent++;
    yield row;
  }
}

/**
 * Walks decide `absent_twice` and `everybody`. The users' own records decide `gone`. In every case, a record that shows
 * a level keeps its user.
 */
function isClearedBy(
  { decision, gone }: Pick<ChangeInputs, 'decision' | 'gone'>,
  { row, absentTwice }: MissingUser,
  answer: LookupAnswer | undefined,
): boolean {
  if (answer?.outcome === 'level') return false;
  switch (decision) {
    case 'gone':
      return gone.has(row);
    case 'absent_twice':
      return absentTwice;
    case 'everybody':
      return true;
    case 'nobody':
    case 'mass_clear':
      return false;
  }
}
