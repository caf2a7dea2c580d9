// Replays a story of random-reading.ts through the program: state, records, and what follows, without a database.
import type { OpenReader, RecordReader } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { CopyValue } from '../../../src/db/copy-rows.ts';
import { formatInstant, type PostgresInstant } from '../../../src/db/postgres-instant.ts';
import type { LookupAnswer } from '../../../src/sync/absence/absence.ts';
import { missingRows } from '../../../src/sync/absence/missing-users.ts';
import { CHANGE_COLUMNS, type ChangeInputs } from '../../../src/sync/publish/changes.ts';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import { AS_SERVED } from '../../../src/sync/walk/identity-policy.ts';
import { keyedHash, type HashKey } from '../../../src/keyed-hash.ts';
import { createUserTable, readUserId, type UserTable } from '../../../src/sync/state/user-table.ts';
import { createChangeLog, type ChangeLog } from '../../../src/sync/walk/change-log.ts';
import {
  createComparison,
  rankOf,
  type Comparison,
  type PageOutcome,
} from '../../../src/sync/walk/compare-records.ts';
import { sumsOf, type Changed, type Instant, type Known } from '../oracle/naive-comparison.ts';
import type { Answer, Step, Story } from './random-reading.ts';

export type Replayed = { table: UserTable; log: ChangeLog; comparison: Comparison; key: HashKey };

/** The account's state is complete from the start. */
export function startReplay(known: readonly Known[], key: HashKey, whole: Promise<unknown>): Replayed {
  const table = createUserTable();
  const log = createChangeLog();
  for (const user of known) if (user.level !== null) enter(table, user, key);
  return { table, log, key, comparison: createComparison({ table, key, log, policy: AS_SERVED, whole }) };
}

/** What the state read would have found, or for a cleared user the query after the walk. */
export function enter(table: UserTable, user: Known, key: HashKey): void {
  const id = new Int32Array(4);
  readUserId(user.userId, id);
  const identity = Buffer.alloc(IDENTITY_MAX_BYTES);
  const hash = new Uint32Array(2);
  keyedHash(key, identity, 0, encodeIdentity(user, identity, 0), hash, 0);
  const row = table.findOrAdd(id);
  const level = user.level === null ? 0 : rankOf(user.level);
  const { eventCount } = user;
  table.setKnown(
    row,
    user.key,
    { level, eventCount, lastEvent: instantOf(user.lastEvent), hash },
    user.isAbsent,
  );
}

export async function replayStep({ comparison, table }: Replayed, step: Step): Promise<void> {
  if (step.kind === 'begin') return table.beginReading();
  const { openReader } = comparison;
  const open = await Promise.all(step.answers.map((answer) => begin(openReader, answer)));
  // The records of parallel answers take turns.
  for (const pick of [...step.interleave, ...open.flatMap((one, n) => one.left.map(() => n))])
    open[pick % open.length]!.next();
  for (const one of takenOrder(step.answers)) comparison.take(open[step.answers.indexOf(one)]!.reader.end());
}

/** Answers in the order in which they take effect. */
export function takenOrder(answers: readonly Answer[]): Answer[] {
  return answers.toSorted((a, b) => a.turn - b.turn);
}

async function begin(openReader: OpenReader<PageOutcome>, { records, brokeAfter }: Answer) {
  if (brokeAfter !== null) {
    const broken = await openReader();
    for (const { raw } of records.slice(0, brokeAfter)) broken.add(raw);
  }
  const reader: RecordReader<PageOutcome> = await openReader();
  const left = records.map(({ raw }) => raw);
  return {
    reader,
    left: [...left],
    next() {
      if (left.length > 0) reader.add(left.shift());
    },
  };
}

/** Like `resolveUnknown`: users who were accepted, are not present, and were cleared before. */
export function resolveCleared({ table, key }: Replayed, known: readonly Known[]): void {
  const cleared = new Map(known.flatMap((user) => (user.level === null ? [[user.userId, user]] : [])));
  for (let row = 0; row < table.size(); row++) {
    const user = cleared.get(table.userId(row));
    if (table.key(row) === 0 && table.wasAccepted(row) && user !== undefined) enter(table, user, key);
  }
}

export function inputsOf({ table, key, log }: Replayed, { known, lastUserKey, ruling }: Story): ChangeInputs {
  const missing = missingRows(table).map((row) => ({
    row,
    userKey: table.key(row),
    completeWalks: 0,
    absentTwice: ruling.absentTwice.has(table.userId(row)),
  }));
  const answers = new Map<number, LookupAnswer>();
  const gone = new Set<number>();
  for (const { row } of missing) {
    const answer = ruling.answers.get(table.userId(row));
    if (answer === undefined) continue;
    const { outcome, resetAt } = answer;
    if (outcome !== 'level' && outcome !== 'unreadable') gone.add(row);
    answers.set(row, { outcome, lastResetTime: resetAt === null ? null : formatInstant(instantOf(resetAt)) });
  }
  const sums = sumsOf(new Map(known.map((user) => [user.userId, user])));
  return { state: { lastUserKey, sums }, table, key, log, missing, answers, gone, decision: ruling.decision };
}

/** The row of staged_changes in the form of the naive comparison, with its user and its key. */
export function changedOf(row: readonly CopyValue[]): { userId: string; key: number; changed: Changed } {
  const value = (column: (typeof CHANGE_COLUMNS)[number]) => row[CHANGE_COLUMNS.indexOf(column)];
  const text = (of: CopyValue | undefined) =>
    of == null ? null : Buffer.from(of as Uint8Array).toString('utf8');
  const hex = Buffer.from(value('user_id') as Uint8Array).toString('hex');
  const key = value('user_key') as number;
  const isNew = value('is_new') as boolean;
  const instant = (of: CopyValue | undefined) => (of == null ? null : microsOf(of as PostgresInstant));
  return {
    userId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    key,
    changed: {
      key: isNew ? 0 : key,
      isNew,
      isMissing: value('is_missing') as boolean,
      oldLevel: value('old_level') as Changed['oldLevel'],
      newLevel: value('new_level') as Changed['newLevel'],
      identityChanged: value('identity_changed') as boolean,
      activityChanged: value('activity_changed') as boolean,
      email: text(value('email')),
      name: text(value('name')),
      eventCount: value('event_count') as number | null,
      lastEvent: instant(value('last_event')),
      outcome: value('lookup_outcome') as Changed['outcome'],
      resetAt: instant(value('last_reset_time')) as bigint | null,
      endReason: value('end_reason') as Changed['endReason'],
    },
  };
}

export function instantOf(micros: Instant): PostgresInstant {
  if (micros === 'infinity') return { seconds: Infinity, micros: 0 };
  if (micros === '-infinity') return { seconds: -Infinity, micros: 0 };
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return { seconds: Number((micros - rest) / 1_000_000n), micros: Number(rest) };
}

function microsOf({ seconds, micros }: PostgresInstant): Instant {
  if (!Number.isFinite(seconds)) return seconds > 0 ? 'infinity' : '-infinity';
  return BigInt(seconds) * 1_000_000n + BigInt(micros);
}
