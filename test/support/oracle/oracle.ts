// What the history of one account must be, computed a second time from the pages in docs/ alone: plain loops over maps,
// no SQL, and nothing of src/ except types. Its input is what each run was served, in the order in which it was read.
import type { RiskLevel } from '../../../src/user-risk.ts';
import { confirmationOf, type Confirmation, type Gone, type SeenLookup } from './oracle-absence.ts';
import { judgeServed, type GoodRecord, type Served, type ServedPage } from './oracle-verdict.ts';

export type ServedRun = {
  /** Microseconds since 1970. */
  observedAt: bigint;
  pages: ServedPage[];
  /** The API refused or failed before the end. */
  brokeOff: boolean;
  acceptMassClear: boolean;
  confirm: 'lookup' | 'walks';
  lookups: readonly SeenLookup[];
};

export type Counts = {
  users: number;
  met: number;
  carried: number;
  appeared: number;
  raised: number;
  lowered: number;
  cleared: number;
  returned: number;
  renamed: number;
  activityChanged: number;
};

export type Plan = {
  at: bigint;
  verdict: 'complete' | 'partial';
  /** The error of a run that publishes and still fails. */
  errorCode: 'MASS_CLEAR' | 'CLEAR_PENDING' | null;
  lastRead: Map<string, GoodRecord>;
  met: Set<string>;
  missing: string[];
  confirmation: Confirmation;
  cleared: Map<string, Gone>;
  counts: Counts;
};
/** errorCode null: any code of an API refusal. */
export type Forecast =
  | { kind: 'published'; plan: Plan }
  | { kind: 'failed'; errorCode: string | null; met: Set<string> };

export type UserState = {
  level: RiskLevel | null;
  eventCount: number;
  lastEvent: bigint;
  email: string | null;
  name: string | null;
  levelSince: bigint | null;
  identitySince: bigint;
  firstSeenAt: bigint;
  absentSince: bigint | null;
  clearedAt: bigint | null;
  snapshotId: number;
};
export type LevelPeriod = {
  userId: string;
  from: bigint;
  to: bigint | null;
  level: RiskLevel;
  previous: RiskLevel | null;
  change: 'appeared' | 'raised' | 'lowered' | 'returned';
  endReason: 'changed' | 'reset' | 'absent' | null;
  absentSince: bigint | null;
  lastReset: bigint | null;
  snapshotId: number;
};
export type IdentityPeriod = {
  userId: string;
  from: bigint;
  to: bigint | null;
  email: string | null;
  name: string | null;
  snapshotId: number;
};
export type Activity = {
  userId: string;
  at: bigint;
  eventCount: number;
  lastEvent: bigint;
  snapshotId: number;
};
export type SnapshotRecord = {
  snapshotId: number;
  at: bigint;
  verdict: 'complete' | 'partial';
  isBaseline: boolean;
  counts: Counts;
  /** Present users only. */
  state: Map<string, UserState>;
};

const MILLISECOND = 1000n;
const FIVE_MINUTES = 300_000_000n;
const RANKS: Record<RiskLevel, number> = { low: 1, medium: 2, high: 3 };

export type Oracle = ReturnType<typeof createOracle>;

export function createOracle() {
  const users = new Map<string, UserState>();
  const levels: LevelPeriod[] = [];
  const identities: IdentityPeriod[] = [];
  const activity: Activity[] = [];
  const snapshots: SnapshotRecord[] = [];
  /** The snapshot at which a user's own record last showed a level although the walk missed the user. */
  const insisted = new Map<string, bigint>();

  /** How the run must end. Changes nothing. */
  function foresee(run: ServedRun): Forecast {
    const served = judgeServed(run.pages);
    const failed = (errorCode: string | null) => ({ kind: 'failed' as const, errorCode, met: served.met });
    if (run.brokeOff) return failed(null);
    if (served.tooManyRejected) return failed('TOO_MANY_REJECTED');
    const newest = snapshots.at(-1)?.at;
    if (newest !== undefined && newest - run.observedAt > FIVE_MINUTES) return failed('CLOCK_BACKWARDS');
    const present = [...users].filter(([, user]) => user.level !== null).map(([userId]) => userId);
    const isCertain =
      present.length === 0 && (served.stated === 0 || (served.stated === null && newest !== undefined));
    if (served.records === 0 && !isCertain && !run.acceptMassClear) return failed('EMPTY_ANSWER');
    const missing = present.filter((userId) => !served.met.has(userId));
    const { met, complete, unreadable } = served;
    const heldOf = (userId: string) => served.lastRead.get(userId) ?? users.get(userId)!;
    // A missing level without a reset needs two complete walks without the user, or acceptance by a person.
    const hasSecondWitness = (userId: string) => complete && (run.acceptMassClear || isAbsentTwice(userId));
    const confirmation = confirmationOf({
      ...run,
      missing,
      met,
      unreadable,
      heldOf,
      now: run.observedAt,
      hasSecondWitness,
    });
    const decided = decide({ run, served, missing, present: present.length, confirmation });
    const cutToMs = run.observedAt - (run.observedAt % MILLISECOND);
    const plan = {
      at: newest !== undefined && newest >= cutToMs ? newest + MILLISECOND : cutToMs,
      verdict: complete && !decided.isMass ? ('complete' as const) : ('partial' as const),
      errorCode: decided.isMass
        ? ('MASS_CLEAR' as const)
        : run.acceptMassClear && decided.isOpen
          ? ('CLEAR_PENDING' as const)
          : null,
      lastRead: served.lastRead,
      met,
      missing,
      confirmation,
      cleared: decided.cleared,
    };
    return { kind: 'published', plan: { ...plan, counts: count(plan, present.length) } };
  }

  /** Which missing users are cleared, and why; whether they are too many; and whether some are still unknown. */
  function decide(facts: {
    run: ServedRun;
    served: Served;
    missing: string[];
    present: number;
    confirmation: Confirmation;
  }): { isMass: boolean; isOpen: boolean; cleared: Map<string, Gone> } {
    const { run, served, missing, present, confirmation } = facts;
    const nobody = new Map<string, Gone>();
    const absent = (ids: string[]) =>
      new Map(ids.map((userId) => [userId, { reason: 'absent' as const, resetAt: null }]));
    const known = confirmation.kind === 'asked' ? confirmation.stillThere.size + confirmation.gone.size : 0;
    const undecided = { isMass: false, isOpen: known < missing.length, cleared: nobody };
    if (served.unreadable > 0) return undecided;
    // After a complete walk, a missing user counts as gone until the user's own record says otherwise.
    const candidates =
      confirmation.kind === 'later'
        ? 0
        : confirmation.kind === 'walks'
          ? served.complete
            ? missing.length
            : 0
          : served.complete
            ? missing.length - confirmation.stillThere.size
            : confirmation.gone.size;
    const isMany = candidates >= 20 && candidates * 2 > present;
    if (isMany && !run.acceptMassClear) return { ...undecided, isMass: true };
    if (confirmation.kind === 'asked') return { ...undecided, cleared: confirmation.gone };
    if (confirmation.kind === 'later' || !served.complete) return undecided;
    const byWalks = { isMass: false, isOpen: false };
    if (isMany || served.records === 0) return { ...byWalks, cleared: absent(missing) };
    // This complete walk and the one before must both miss the user, and both after the user's record last showed a
    // level.
    return { ...byWalks, cleared: absent(missing.filter(isAbsentTwice)) };
  }

  function isAbsentTwice(userId: string): boolean {
    const before = snapshots.findLast(({ verdict }) => verdict === 'complete')?.at;
    const since = users.get(userId)?.absentSince ?? null;
    const spoke = insisted.get(userId);
    return (
      before !== undefined && since !== null && since <= before && (spoke === undefined || spoke < before)
    );
  }

  function count(plan: Omit<Plan, 'counts'>, present: number): Counts {
    const found = [...plan.lastRead.values()].map((record) => ({ record, before: users.get(record.userId) }));
    const appeared = found.filter(({ before }) => before === undefined).length;
    const returned = found.filter(({ before }) => before?.level === null).length;
    const moved = found.map(({ record, before }) =>
      before === undefined || before.level === null ? 0 : RANKS[record.level] - RANKS[before.level],
    );
    const known = found.flatMap(({ record, before }) => (before === undefined ? [] : [{ record, before }]));
    const cleared = plan.cleared.size;
    const total = present + appeared + returned - cleared;
    return {
      users: total,
      met: plan.lastRead.size,
      carried: total - plan.lastRead.size,
      appeared,
      raised: moved.filter((by) => by > 0).length,
      lowered: moved.filter((by) => by < 0).length,
      cleared,
      returned,
      renamed: known.filter(
        ({ record, before }) => before.email !== record.email || before.name !== record.name,
      ).length,
      activityChanged: known.filter(
        ({ record, before }) =>
          before.eventCount !== record.eventCount || before.lastEvent !== record.lastEvent,
      ).length,
    };
  }

  /** Records the plan of `foresee` as published. */
  function publish(plan: Plan, snapshotId: number): void {
    for (const record of plan.lastRead.values()) meet(record, plan.at, snapshotId);
    for (const userId of plan.met) change(userId, { absentSince: null }, snapshotId);
    for (const userId of plan.missing) miss(userId, plan, snapshotId);
    if (plan.confirmation.kind === 'asked')
      for (const userId of plan.confirmation.stillThere) insisted.set(userId, plan.at);
    snapshots.push({
      snapshotId,
      at: plan.at,
      verdict: plan.verdict,
      isBaseline: !snapshots.some(({ verdict }) => verdict === 'complete'),
      counts: plan.counts,
      state: new Map([...users].filter(([, user]) => user.level !== null)),
    });
  }

  /** A row is written and stamped only when a value in it changes. */
  function change(userId: string, values: Partial<UserState>, snapshotId: number): void {
    const before = users.get(userId);
    if (before === undefined) return;
    const differs = Object.entries(values).some(([key, value]) => before[key as keyof UserState] !== value);
    if (differs) users.set(userId, { ...before, ...values, snapshotId });
  }

  function meet(record: GoodRecord, at: bigint, snapshotId: number): void {
    const { userId, email, name, level, eventCount, lastEvent } = record;
    const before = users.get(userId);
    const levelChanged = before?.level !== level;
    const identityChanged = before === undefined || before.email !== email || before.name !== name;
    const countersChanged =
      before === undefined || before.eventCount !== eventCount || before.lastEvent !== lastEvent;
    if (levelChanged) {
      const previous = before?.level ?? null;
      if (previous !== null)
        endLevel(userId, at, 'changed', { absentSince: null, lastReset: null }, snapshotId);
      levels.push({
        userId,
        from: at,
        to: null,
        level,
        previous,
        change: changeOf(before, level),
        endReason: null,
        absentSince: null,
        lastReset: null,
        snapshotId,
      });
    }
    if (identityChanged) {
      const open = identities.find((row) => row.userId === userId && row.to === null);
      if (open !== undefined) Object.assign(open, { to: at, snapshotId });
      identities.push({ userId, from: at, to: null, email, name, snapshotId });
    }
    if (countersChanged) activity.push({ userId, at, eventCount, lastEvent, snapshotId });
    const now = { level, eventCount, lastEvent, email, name, absentSince: null, clearedAt: null };
    const since = {
      levelSince: levelChanged ? at : (before?.levelSince ?? at),
      identitySince: identityChanged ? at : before.identitySince,
    };
    if (before === undefined) users.set(userId, { ...now, ...since, firstSeenAt: at, snapshotId });
    else change(userId, { ...now, ...since }, snapshotId);
  }

  function miss(userId: string, { at, cleared }: Plan, snapshotId: number): void {
    const absentSince = users.get(userId)?.absentSince ?? at;
    const gone = cleared.get(userId);
    if (gone === undefined) return change(userId, { absentSince }, snapshotId);
    endLevel(userId, at, gone.reason, { absentSince, lastReset: gone.resetAt }, snapshotId);
    change(userId, { level: null, levelSince: null, absentSince: null, clearedAt: at }, snapshotId);
  }

  function endLevel(
    userId: string,
    at: bigint,
    endReason: 'changed' | 'reset' | 'absent',
    why: { absentSince: bigint | null; lastReset: bigint | null },
    snapshotId: number,
  ): void {
    const open = levels.find((row) => row.userId === userId && row.to === null);
    if (open === undefined) throw new Error('the oracle has lost a period');
    Object.assign(open, { to: at, endReason, ...why, snapshotId });
  }

  return { foresee, publish, users, levels, identities, activity, snapshots };
}

function changeOf(before: UserState | undefined, level: RiskLevel): LevelPeriod['change'] {
  if (before === undefined) return 'appeared';
  if (before.level === null) return 'returned';
  return RANKS[level] > RANKS[before.level] ? 'raised' : 'lowered';
}
