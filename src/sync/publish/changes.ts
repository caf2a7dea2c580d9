// What a publish changes, one row a user, and the counts of the snapshot that results. Pure: from the user table, the change
// log and the decision about the missing. Read again, it gives the same rows and the same keys.
import type { CopyValue } from '../../db/copy-rows.ts';
import { readInstant, type PostgresInstant } from '../../db/postgres-instant.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import type { AbsenceDecision, LookupAnswer } from '../absence/absence.ts';
import type { MissingUser } from '../absence/missing-users.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import type { LevelSums } from '../state/level-sums.ts';
import type { AccountState } from '../state/read-state.ts';
import { ACTIVITY, IDENTITY, type LevelRank, type UserTable } from '../state/user-table.ts';
import type { ChangeLog } from '../walk/change-log.ts';
import { levelOf } from '../walk/compare-records.ts';

export type ChangeInputs = {
  state: Pick<AccountState, 'lastUserKey' | 'sums'>;
  table: UserTable;
  /** The one that hashed the identities of the table. */
  key: HashKey;
  log: Pick<ChangeLog, 'read'>;
  missing: readonly MissingUser[];
  answers: ReadonlyMap<number, LookupAnswer>;
  decision: Exclude<AbsenceDecision, 'empty_answer'>;
};

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
  'email',
  'name',
  'event_count',
  'last_event',
  'lookup_outcome',
  'last_reset_time',
  'end_reason',
] as const;

/** Counted while the rows are read; whole once they have come to their end. */
export type ChangeCounts = {
  /** Rows of staged_changes. */
  rows: number;
  appeared: number;
  returned: number;
  raised: number;
  lowered: number;
  cleared: number;
  /** Users of before whose email or name changed, and whose counters changed. */
  renamed: number;
  acted: number;
  /** Users of before that are written, though not for being missing: changed, returned, or absent no more. */
  updated: number;
  /** Missing users that are marked absent from now on. */
  newlyAbsent: number;
  /** Missing users whose own record was asked. */
  asked: number;
  /** The account after the publish. */
  sums: LevelSums;
  lastUserKey: number;
};

export type Changes = {
  counts: ChangeCounts;
  /** The array is the same one each time. */
  rows: Iterable<readonly CopyValue[]>;
};

/** Rows that there will be, at most: what the limits of the publish grow with. */
export function countRows({ table, missing }: Pick<ChangeInputs, 'table' | 'missing'>): number {
  let rows = missing.length;
  for (let row = 0; row < table.size(); row++)
    if (table.isChanged(row) || (table.isAbsent(row) && table.wasMet(row))) rows++;
  return rows;
}

/** Each call reads everything anew: a publish that is tried again sends the same bytes. */
export function readChanges(accountKey: number, inputs: ChangeInputs): Changes {
  const { state, table, key, log, missing, answers, decision } = inputs;
  const counts: ChangeCounts = {
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
  const userId = new Uint8Array(16);
  const hash = new Uint32Array(2);
  const values: CopyValue[] = CHANGE_COLUMNS.map(() => null);
  values[0] = accountKey;
  values[2] = userId;

  function fill(row: number, userKey: number): CopyValue[] {
    counts.rows++;
    values.fill(null, 3);
    values[1] = userKey;
    table.writeUserId(row, userId);
    values[3] = table.key(row) === 0;
    values[4] = false;
    values[5] = levelOf(table.level(row));
    values[7] = false;
    values[8] = false;
    return values;
  }

  /** Not superseded by a later record, nor taken back by one. */
  function stands(row: number, change: number): boolean {
    return table.change(row) === change && table.isChanged(row);
  }

  function move(from: LevelRank, fromEvents: number, to: LevelRank, toEvents: number): void {
    const [old, now] = [RISK_LEVELS[from - 1], RISK_LEVELS[to - 1]];
    if (old !== undefined) {
      counts.sums[old].users--;
      counts.sums[old].events -= fromEvents;
    }
    if (now !== undefined) {
      counts.sums[now].users++;
      counts.sums[now].events += toEvents;
    }
  }

  function* changed(): Generator<readonly CopyValue[]> {
    for (const change of log.read(stands, (row, other) => table.compareIds(row, other))) {
      const { row, level } = change;
      keyedHash(key, change.identity, 0, change.identity.length, hash, 0);
      const isNew = table.key(row) === 0;
      const old = table.level(row);
      const parts = table.compare(row, {
        level,
        eventCount: change.eventCount,
        lastEvent: change.lastEvent,
        hash,
      });
      fill(row, isNew ? ++counts.lastUserKey : table.key(row));
      if (isNew) counts.appeared++;
      else {
        counts.updated++;
        if (old === 0) counts.returned++;
        else if (level > old) counts.raised++;
        else if (level < old) counts.lowered++;
        if ((parts & IDENTITY) !== 0) counts.renamed++;
        if ((parts & ACTIVITY) !== 0) counts.acted++;
      }
      move(old, table.eventCount(row), level, change.eventCount);
      values[6] = levelOf(level);
      if ((parts & IDENTITY) !== 0) {
        values[7] = true;
        values[9] = change.email;
        values[10] = change.name;
      }
      values[8] = (parts & ACTIVITY) !== 0;
      values[11] = change.eventCount;
      values[12] = change.lastEvent;
      yield values;
    }
  }

  /** Met again without any other change, also by a record that was rejected. */
  function* absentNoMore(): Generator<readonly CopyValue[]> {
    for (let row = 0; row < table.size(); row++) {
      if (!table.isAbsent(row) || !table.wasMet(row) || table.isChanged(row)) continue;
      fill(row, table.key(row));
      values[6] = values[5] as string;
      counts.updated++;
      yield values;
    }
  }

  function* absent(): Generator<readonly CopyValue[]> {
    const resetTime: PostgresInstant = { seconds: 0, micros: 0 };
    for (const user of missing) {
      const { row } = user;
      const answer = answers.get(row);
      const isCleared = isClearedBy(decision, user, answer);
      if (!isCleared && answer === undefined && table.isAbsent(row)) continue;
      fill(row, user.userKey);
      values[4] = true;
      if (answer !== undefined) {
        counts.asked++;
        values[13] = answer.outcome;
        if (answer.lastResetTime !== null) {
          readInstant(answer.lastResetTime, resetTime);
          values[14] = resetTime;
        }
      }
      if (isCleared) {
        counts.cleared++;
        values[15] = answer?.outcome === 'reset' ? 'reset' : 'absent';
        move(table.level(row), table.eventCount(row), 0, 0);
      } else if (!table.isAbsent(row)) counts.newlyAbsent++;
      yield values;
    }
  }

  function* rows(): Generator<readonly CopyValue[]> {
    yield* changed();
    yield* absentNoMore();
    yield* absent();
  }
  return { counts, rows: rows() };
}

/**
 * `absent_twice` and `everybody` rest on walks, `gone` on the users' own records; a record that shows a level keeps its user
 * whatever else is said.
 */
function isClearedBy(
  decision: ChangeInputs['decision'],
  { absentTwice }: MissingUser,
  answer: LookupAnswer | undefined,
): boolean {
  if (answer?.outcome === 'level') return false;
  switch (decision) {
    case 'gone':
      return answer !== undefined && answer.outcome !== 'unreadable';
    case 'absent_twice':
      return absentTwice;
    case 'everybody':
      return true;
    case 'nobody':
    case 'mass_clear':
      return false;
  }
}
