// What a walk changes, found in the simplest way: Maps of whole records, kept until the end. It shares no code with the
// program.
import type { RiskLevel } from '../../../src/user-risk.ts';

export type Instant = bigint | 'infinity' | '-infinity';

/** A user as the history holds them; `level` is null for a cleared user. */
export type Known = Contents & { userId: string; key: number; isAbsent: boolean };
export type Contents = {
  level: RiskLevel | null;
  eventCount: number;
  /** Microseconds since 1970. */
  lastEvent: Instant;
  email: string | null;
  name: string | null;
};

/** What a record says. The contents of a rejected record are null, and so is a user id that cannot be read. */
export type Heard = { userId: string | null; contents: Contents | null };

export type Outcome = 'level' | 'no_level' | 'reset' | 'not_found' | 'unreadable';
export type Decision = 'nobody' | 'gone' | 'absent_twice' | 'everybody' | 'mass_clear';
export type Ruling = {
  decision: Decision;
  /** What a missing user's own record said, by user id. */
  answers: ReadonlyMap<string, { outcome: Outcome; resetAt: bigint | null }>;
  absentTwice: ReadonlySet<string>;
};

/** One user that the publish changes. Null: no value. */
export type Changed = {
  /** 0 for a new user. Which key a new user gets is checked elsewhere. */
  key: number;
  isNew: boolean;
  isMissing: boolean;
  oldLevel: RiskLevel | null;
  newLevel: RiskLevel | null;
  identityChanged: boolean;
  activityChanged: boolean;
  email: string | null;
  name: string | null;
  eventCount: number | null;
  lastEvent: Instant | null;
  outcome: Outcome | null;
  resetAt: bigint | null;
  endReason: 'reset' | 'absent' | null;
};

const RANK = { low: 1, medium: 2, high: 3 };

export function naiveComparison(known: readonly Known[]) {
  const history = new Map(known.map((user) => [user.userId, user]));
  const last = new Map<string, Contents>();
  const order: string[] = [];
  type Reading = { any: Set<string>; accepted: Set<string> };
  const readings: Reading[] = [];
  const all = (which: keyof Reading, some = readings) =>
    some.reduce((sum, reading) => sum.union(reading[which]), new Set<string>());

  const missing = () =>
    known.filter(({ userId, level }) => level !== null && !all('any').has(userId)).map((user) => user.userId);

  return {
    beginReading: () => void readings.push({ any: new Set(), accepted: new Set() }),
    /** An answer takes effect. */
    take(records: readonly Heard[]): void {
      const now = readings.at(-1)!;
      for (const { userId, contents } of records) {
        if (userId === null) continue;
        now.any.add(userId);
        if (contents === null) continue;
        now.accepted.add(userId);
        last.set(userId, contents);
        order.push(userId);
      }
    },
    met() {
      const now = readings.at(-1)!;
      const earlier = all('accepted', readings.slice(0, -1));
      return {
        anyThis: now.any.size,
        anyAll: all('any').size,
        acceptedThis: now.accepted.size,
        acceptedAll: all('accepted').size,
        acceptedBoth: now.accepted.intersection(earlier).size,
      };
    },
    /** The last three accepted records, newest first. */
    lastMet: () => order.slice(-3).toReversed(),
    missing,

    /** What changes, by user id, and the state of the account afterwards. */
    publish({ decision, answers, absentTwice }: Ruling) {
      const changes = new Map<string, Changed>();
      const after = new Map(known.map((user): [string, Contents] => [user.userId, { ...user }]));
      const blank = { email: null, name: null, eventCount: null, lastEvent: null };
      const unasked = { outcome: null, resetAt: null, endReason: null };
      for (const [userId, now] of last) {
        const was = history.get(userId);
        const identityChanged = was === undefined || was.email !== now.email || was.name !== now.name;
        const activityChanged =
          was === undefined || was.eventCount !== now.eventCount || was.lastEvent !== now.lastEvent;
        after.set(userId, now);
        if (was !== undefined && !identityChanged && !activityChanged && was.level === now.level) continue;
        changes.set(userId, {
          key: was?.key ?? 0,
          isNew: was === undefined,
          isMissing: false,
          oldLevel: was?.level ?? null,
          newLevel: now.level,
          identityChanged,
          activityChanged,
          email: identityChanged ? now.email : null,
          name: identityChanged ? now.name : null,
          eventCount: now.eventCount,
          lastEvent: now.lastEvent,
          ...unasked,
        });
      }
      const same = { isNew: false, identityChanged: false, activityChanged: false, ...blank };
      for (const { userId, key, level, isAbsent } of known) {
        if (!isAbsent || changes.has(userId) || !all('any').has(userId)) continue;
        changes.set(userId, { key, isMissing: false, oldLevel: level, newLevel: level, ...same, ...unasked });
      }
      for (const userId of missing()) {
        const { key, level, isAbsent } = history.get(userId)!;
        const answer = answers.get(userId);
        const isGone = answer !== undefined && !['level', 'unreadable'].includes(answer.outcome);
        const isCleared =
          answer?.outcome !== 'level' &&
          (decision === 'everybody' ||
            (decision === 'gone' && isGone) ||
            (decision === 'absent_twice' && absentTwice.has(userId)));
        if (isCleared) after.set(userId, { ...after.get(userId)!, level: null });
        // Nothing new about a user who was already absent.
        if (!isCleared && answer === undefined && isAbsent) continue;
        changes.set(userId, {
          key,
          isMissing: true,
          oldLevel: level,
          newLevel: null,
          ...same,
          outcome: answer?.outcome ?? null,
          resetAt: answer?.resetAt ?? null,
          endReason: isCleared ? (answer?.outcome === 'reset' ? 'reset' : 'absent') : null,
        });
      }
      return { changes, counts: count([...changes.values()], history, changes), sums: sumsOf(after) };
    },
  };
}

function count(
  rows: readonly Changed[],
  history: ReadonlyMap<string, Known>,
  changes: ReadonlyMap<string, Changed>,
) {
  const those = (which: (row: Changed) => boolean) => rows.filter(which).length;
  const moved = ({ isNew, isMissing, oldLevel, newLevel }: Changed) =>
    isNew || isMissing || oldLevel === null ? 0 : RANK[newLevel!] - RANK[oldLevel];
  return {
    rows: rows.length,
    appeared: those((row) => row.isNew),
    returned: those((row) => !row.isNew && !row.isMissing && row.oldLevel === null),
    raised: those((row) => moved(row) > 0),
    lowered: those((row) => moved(row) < 0),
    cleared: those((row) => row.endReason !== null),
    renamed: those((row) => !row.isNew && row.identityChanged),
    acted: those((row) => !row.isNew && row.activityChanged),
    updated: those((row) => !row.isNew && !row.isMissing),
    newlyAbsent: [...changes].filter(
      ([userId, row]) => row.isMissing && row.endReason === null && !history.get(userId)!.isAbsent,
    ).length,
    asked: those((row) => row.outcome !== null),
  };
}

export function sumsOf(users: ReadonlyMap<string, Contents>) {
  const of = (level: RiskLevel) => {
    const there = [...users.values()].filter((user) => user.level === level);
    return { users: there.length, events: there.reduce((sum, user) => sum + user.eventCount, 0) };
  };
  return { low: of('low'), medium: of('medium'), high: of('high') };
}
