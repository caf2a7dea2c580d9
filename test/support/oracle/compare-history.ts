// Compares the history of one account in the database with the oracle's, row for row.
import { AssertionError } from 'node:assert/strict';
import type { Pool } from '../../../src/db/pool.ts';
import type { Oracle, SnapshotRecord, UserState } from './oracle.ts';

type Row = readonly unknown[];
const LEVELS = ['low', 'medium', 'high'] as const;

/** Since when each part is whole, in microseconds, after a prune. */
export type Whole = Partial<Record<'activity' | 'levels' | 'identities', bigint>> & {
  /** The prune was interrupted: rows that may go may still be there. */
  isUnderWay?: true;
};

/**
 * Every rebuilt snapshot, the counts, the current state, the three histories. `instants` 'all' checks every instant.
 * After a prune, only what was superseded before may be missing, and earlier snapshots are left out.
 */
export async function compareHistory(
  pool: Pool,
  accountId: string,
  oracle: Oracle,
  instants: 'newest' | 'all',
  whole: Whole = {},
): Promise<void> {
  const ask = async (text: string, ...values: unknown[]) =>
    (await pool.query({ text, values: [accountId, ...values], rowMode: 'array' })).rows as Row[];
  const history = async <R extends { userId: string }>(
    table: keyof typeof HISTORIES,
    rows: readonly R[],
    begin: (row: R) => bigint,
    since: bigint | undefined,
    tell: (row: R) => Row,
  ) => {
    const found = await ask(HISTORIES[table]);
    const kept = unlessSuperseded(rows, begin, since);
    const there = new Set(found.map((row) => JSON.stringify(row)));
    const late = rows.filter((row) => !kept.includes(row) && there.has(JSON.stringify(tell(row))));
    same(table, found, [...kept, ...(whole.isUnderWay ? late : [])].map(tell));
  };
  const { snapshots } = oracle;
  const wholeRows = latest(whole.activity, whole.levels, whole.identities);
  const wholeStates = latest(whole.activity, whole.levels);
  const probes = probesOf(snapshots, instants === 'all' ? snapshots.length : 2).filter(
    ({ snapshot }) => snapshot === undefined || snapshot.at >= wholeStates,
  );

  const rebuilt: Row[] = [];
  const atLeast = snapshots.filter(({ at }) => at >= wholeRows);
  // One by one: on Citus, no function that asks the nodes can be called for each row of a table.
  for (const { snapshotId } of atLeast) rebuilt.push(...(await ask(SNAPSHOT_USERS, String(snapshotId))));
  same('snapshot_users of every snapshot', rebuilt, atLeast.flatMap(usersOf));
  same('snapshots', await ask(SNAPSHOTS), snapshots.map(snapshotRow));
  same('snapshot_levels', await ask(SNAPSHOT_LEVELS), snapshots.flatMap(levelRows));
  same(
    'risk_level_by_snapshot',
    await ask(LEVEL_BY_SNAPSHOT),
    snapshots.flatMap((s) =>
      levelRows(s).map(([id, level, users]) => [id, str(s.at), level, users, s.verdict]),
    ),
  );
  same('risk.users', await ask(USERS), [...oracle.users].map(userRow));
  same(
    'risk_bi.users',
    await ask(BI_USERS),
    // Without identity_since and snapshot_id, with is_present.
    [...oracle.users].map((entry) => [
      ...userRow(entry).toSpliced(5, 1).slice(0, -1),
      entry[1].level !== null,
    ]),
  );
  await history(
    'user_levels',
    oracle.levels,
    ({ from }) => from,
    whole.levels,
    (row) => [
      row.userId,
      str(row.from),
      str(row.to),
      row.level,
      row.previous,
      row.change,
      row.endReason,
      str(row.absentSince),
      str(row.lastReset),
      str(row.snapshotId),
    ],
  );
  await history(
    'user_identities',
    oracle.identities,
    ({ from }) => from,
    whole.identities,
    (row) => [row.userId, str(row.from), str(row.to), row.email, row.name, str(row.snapshotId)],
  );
  await history(
    'user_activity',
    oracle.activity,
    ({ at }) => at,
    whole.activity,
    (row) => [row.userId, str(row.at), row.eventCount, str(row.lastEvent), str(row.snapshotId)],
  );
  same(
    'users_as_of',
    await ask(
      AS_OF,
      probes.map(({ at }) => String(at)),
    ),
    probes.flatMap(({ at, snapshot }) => (snapshot === undefined ? [] : asOfRows(at, snapshot))),
  );
}

const us = (column: string) => `(extract(epoch from ${column}) * 1000000)::bigint`;
const OF_ACCOUNT = 'join risk.accounts a using (account_key) where a.account_id = $1';
const JOINED = `join risk.users u using (account_key, user_key) ${OF_ACCOUNT}`;
const SNAPSHOT_USERS = `select $2::bigint, r.user_id, r.email, r.name, r.max_risk_level, r.event_count, ${us('r.last_event')}
  from risk_bi.snapshot_users($1, $2) r`;
const SNAPSHOTS = `select snapshot_id, ${us('observed_at')}, verdict, is_baseline, user_count, met_count, carried_count, event_count,
  appeared, raised, lowered, cleared, returned from risk.snapshots ${OF_ACCOUNT}`;
const SNAPSHOT_LEVELS = `select snapshot_id, max_risk_level, user_count, event_count from risk.snapshot_levels ${OF_ACCOUNT}`;
const LEVEL_BY_SNAPSHOT = `select snapshot_id, ${us('observed_at')}, max_risk_level, user_count, verdict
  from risk_bi.risk_level_by_snapshot where account_id = $1`;
const USERS = `select user_id, max_risk_level, event_count, ${us('last_event')}, ${us('level_since')}, ${us('identity_since')},
  ${us('first_seen_at')}, ${us('absent_since')}, ${us('cleared_at')}, snapshot_id from risk.users ${OF_ACCOUNT}`;
const BI_USERS = `select user_id, max_risk_level, event_count, ${us('last_event')}, ${us('level_since')}, ${us('first_seen_at')},
  ${us('absent_since')}, ${us('cleared_at')}, is_present from risk_bi.users where account_id = $1`;
const USER_LEVELS = `select u.user_id, ${us('p.valid_from')}, ${us('p.valid_to')}, p.max_risk_level, p.previous_level, p.change,
  p.end_reason, ${us('p.absent_since')}, ${us('p.last_reset_time')}, p.snapshot_id from risk.user_levels p ${JOINED}`;
const USER_IDENTITIES = `select u.user_id, ${us('p.valid_from')}, ${us('p.valid_to')}, p.email, p.name, p.snapshot_id
  from risk.user_identities p ${JOINED}`;
const USER_ACTIVITY = `select u.user_id, ${us('p.observed_at')}, p.event_count, ${us('p.last_event')}, p.snapshot_id
  from risk.user_activity p ${JOINED}`;
const AS_OF = `select i.at, r.user_id, r.max_risk_level, r.event_count, ${us('r.last_event')}, r.snapshot_id, ${us('r.observed_at')}
  from unnest($2::bigint[]) i(at)
  cross join lateral risk_bi.users_as_of($1, 'epoch'::timestamptz + i.at * interval '1 microsecond') r`;

function latest(...instants: (bigint | undefined)[]): bigint {
  return instants.reduce<bigint>((a, b) => (b !== undefined && b > a ? b : a), 0n);
}

/** Without the rows that a newer one of the same user followed before the instant. */
export function unlessSuperseded<R extends { userId: string }>(
  rows: readonly R[],
  begin: (row: R) => bigint,
  before: bigint | undefined,
): R[] {
  if (before === undefined) return [...rows];
  const last = new Map<string, bigint>();
  for (const row of rows)
    if (begin(row) < before) last.set(row.userId, latest(begin(row), last.get(row.userId)));
  return rows.filter((row) => begin(row) >= (last.get(row.userId) ?? 0n));
}

const HISTORIES = {
  user_levels: USER_LEVELS,
  user_identities: USER_IDENTITIES,
  user_activity: USER_ACTIVITY,
};

/** bigint and timestamps come as text. */
const str = (value: bigint | number | null) => (value === null ? null : String(value));

function usersOf({ snapshotId, state }: SnapshotRecord): Row[] {
  return [...state].map(([userId, u]) => [
    str(snapshotId),
    userId,
    u.email,
    u.name,
    u.level,
    u.eventCount,
    str(u.lastEvent),
  ]);
}

function snapshotRow({ snapshotId, at, verdict, isBaseline, counts, state }: SnapshotRecord): Row {
  const { users, met, carried, appeared, raised, lowered, cleared, returned } = counts;
  const events = eventsOf([...state.values()]);
  const flow = [appeared, raised, lowered, cleared, returned];
  return [str(snapshotId), str(at), verdict, isBaseline, users, met, carried, events, ...flow];
}

function levelRows({ snapshotId, state }: SnapshotRecord): Row[] {
  return LEVELS.map((level) => {
    const there = [...state.values()].filter((user) => user.level === level);
    return [str(snapshotId), level, there.length, eventsOf(there)];
  });
}

function eventsOf(states: readonly UserState[]): string {
  return String(states.reduce((sum, user) => sum + user.eventCount, 0));
}

function userRow([userId, u]: readonly [string, UserState]): Row {
  const times = [u.lastEvent, u.levelSince, u.identitySince, u.firstSeenAt, u.absentSince, u.clearedAt];
  return [userId, u.level, u.eventCount, ...times.map(str), str(u.snapshotId)];
}

function asOfRows(at: bigint, { snapshotId, at: observedAt, state }: SnapshotRecord): Row[] {
  return [...state].map(([userId, u]) => {
    const truth = [userId, u.level, u.eventCount, str(u.lastEvent)];
    return [str(at), ...truth, str(snapshotId), str(observedAt)];
  });
}

type Probe = { at: bigint; snapshot: SnapshotRecord | undefined };

/**
 * Around each of the newest snapshots: at its instant, a microsecond before, halfway to the next, an hour after the
 * last.
 */
function probesOf(snapshots: readonly SnapshotRecord[], newest: number): Probe[] {
  const start = Math.max(0, snapshots.length - newest);
  return snapshots.slice(start).flatMap((snapshot, index) => {
    const before = snapshots[start + index - 1];
    const next = snapshots[start + index + 1];
    const later = next === undefined ? snapshot.at + 3_600_000_000n : (snapshot.at + next.at) / 2n;
    return [
      { at: snapshot.at, snapshot },
      { at: snapshot.at - 1n, snapshot: before },
      { at: later, snapshot },
    ];
  });
}

function same(what: string, actual: readonly Row[], expected: readonly Row[]): void {
  const found = actual.map((row) => JSON.stringify(row)).toSorted();
  const wanted = expected.map((row) => JSON.stringify(row)).toSorted();
  if (found.join('\n') === wanted.join('\n')) return;
  const surplus = found.filter((row) => !wanted.includes(row)).slice(0, 5);
  const lacking = wanted.filter((row) => !found.includes(row)).slice(0, 5);
  throw new AssertionError({
    message: `${what}: ${found.length} rows, expected ${wanted.length}\nonly in the database:\n  ${surplus.join('\n  ')}\nonly in the oracle:\n  ${lacking.join('\n  ')}`,
  });
}
