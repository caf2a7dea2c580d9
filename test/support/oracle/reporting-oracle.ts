// What every view and function of risk_bi must return, computed from the list of published states: plain loops, no SQL,
// and no code shared with the views. Rows are objects by column; instants and spans are microseconds as text.
import type { RiskLevel } from '../../../src/user-risk.ts';
import { HOUR, type Calendar } from './calendar.ts';
import type { Oracle, SnapshotRecord, UserState } from './oracle.ts';

export type Row = Record<string, unknown>;
export type RunFact = {
  status: string;
  scheduledFor: bigint | null;
  finishedAt: bigint;
};
export type Past = {
  accountId: string;
  label: string | null;
  addedAt: bigint;
  retiredAt: bigint | null;
  feedId: string;
  oracle: Oracle;
  runs: RunFact[];
};

const LEVELS = ['low', 'medium', 'high'] as const;
const rank = (level: RiskLevel) => LEVELS.indexOf(level);
/** As the column `level_rank` has it: 0 is left to "none". */
const place = (level: RiskLevel | null | undefined) => (level ? rank(level) + 1 : null);

export type Period = {
  userId: string;
  from: bigint;
  to: bigint | null;
  level: RiskLevel;
  previous: RiskLevel | null;
  change: string;
  first: SnapshotRecord;
  /** The snapshot after the period. */
  end: SnapshotRecord | null;
  cleared: boolean;
  peak: number;
};

/** Who had which level when: compares successive states, user by user. */
export function periodsOf(snapshots: readonly SnapshotRecord[]): Period[] {
  const done: Period[] = [];
  const open = new Map<string, Period>();
  const known = new Set<string>();
  for (const snapshot of snapshots) {
    for (const [userId, period] of open) {
      const level = snapshot.state.get(userId)?.level ?? null;
      if (level === period.level) continue;
      Object.assign(period, { to: snapshot.at, end: snapshot, cleared: level === null });
      done.push(period);
      open.delete(userId);
    }
    for (const [userId, { level, eventCount }] of snapshot.state) {
      const running = open.get(userId);
      if (running !== undefined) {
        running.peak = Math.max(running.peak, eventCount);
        continue;
      }
      const ended = done.findLast((p) => p.userId === userId && p.to === snapshot.at && !p.cleared);
      open.set(userId, {
        userId,
        from: snapshot.at,
        to: null,
        level: level!,
        previous: ended?.level ?? null,
        change: !known.has(userId)
          ? 'appeared'
          : ended === undefined
            ? 'returned'
            : rank(level!) > rank(ended.level)
              ? 'raised'
              : 'lowered',
        first: snapshot,
        end: null,
        cleared: false,
        peak: eventCount,
      });
      known.add(userId);
    }
  }
  return [...done, ...open.values()];
}

export const str = (value: bigint | number | null | undefined) =>
  value === null || value === undefined ? null : String(value);
const seconds = (span: bigint | null) => (span === null ? null : Number(span) / 1e6);
const least = (...instants: (bigint | null)[]) =>
  instants.filter((one) => one !== null).reduce((a, b) => (b < a ? b : a));
const greatest = (a: bigint, b: bigint | null) => (b !== null && b > a ? b : a);

const at = (snapshots: readonly SnapshotRecord[], instant: bigint) =>
  snapshots.findLast((one) => one.at <= instant);
const lastBefore = (snapshots: readonly SnapshotRecord[], instant: bigint) =>
  snapshots.findLast((one) => one.at < instant);

function levelsOf({ state }: SnapshotRecord) {
  return LEVELS.map((level) => {
    const there = [...state.values()].filter((user) => user.level === level);
    return {
      max_risk_level: level,
      user_count: there.length,
      share: state.size === 0 ? null : there.length / state.size,
      event_count: String(there.reduce((sum, user) => sum + user.eventCount, 0)),
      level_rank: rank(level) + 1,
    };
  });
}

/**
 * `now` is the database's now. Views without days or hours are the same in every calendar. `isAsked`: which hours of
 * `risk_level_hourly` are wanted.
 */
export function expectedViews(
  pasts: readonly Past[],
  calendar: Calendar,
  now: bigint,
  isAsked: (hour: bigint) => boolean = () => true,
): Record<string, Row[]> {
  const views: Record<string, Row[]> = {};
  const all = <T extends Row>(rowsOf: (past: Past) => T[]) =>
    pasts.flatMap((past) =>
      rowsOf(past).map((row) => ({
        account_id: past.accountId,
        ...row,
        account_label: past.label ?? past.accountId,
      })),
    );
  views['accounts'] = all(({ label, addedAt, retiredAt, feedId }) => [
    {
      label,
      added_at: str(addedAt),
      retired_at: str(retiredAt),
      is_retired: retiredAt !== null,
      feed_id: feedId,
    },
  ]);
  views['risk_levels'] = LEVELS.map((level, index) => ({
    level,
    rank: index + 1,
    label: `${level[0]!.toUpperCase()}${level.slice(1)}`,
  }));
  views['users'] = all(({ oracle, retiredAt }) =>
    [...oracle.users].map(([userId, u]) => ({
      user_id: userId,
      max_risk_level: u.level,
      event_count: u.eventCount,
      last_event: str(u.lastEvent),
      level_since: str(u.levelSince),
      first_seen_at: str(u.firstSeenAt),
      absent_since: str(u.absentSince),
      cleared_at: str(u.clearedAt),
      is_present: u.level !== null,
      is_account_retired: retiredAt !== null,
      level_rank: place(u.level),
    })),
  );
  views['user_identities'] = all(({ oracle }) =>
    oracle.identities.map((row) => ({
      user_id: row.userId,
      valid_from: str(row.from),
      valid_to: str(row.to),
      email: row.email,
      name: row.name,
      is_current: row.to === null,
    })),
  );
  views['risk_level_by_snapshot'] = all(({ oracle }) =>
    oracle.snapshots.flatMap((s) =>
      levelsOf(s).map((level) => ({
        snapshot_id: str(s.snapshotId),
        observed_at: str(s.at),
        verdict: s.verdict,
        is_baseline: s.isBaseline,
        ...level,
      })),
    ),
  );
  views['risk_level_hourly'] = all((past) => {
    const first = past.oracle.snapshots[0];
    if (first === undefined) return [];
    const rows: Row[] = [];
    for (let hour = calendar.hourOf(first.at); hour <= least(now, past.retiredAt); hour += HOUR)
      if (isAsked(hour)) rows.push(...bucket(past, hour, hour + HOUR, { hour: String(hour) }));
    return rows;
  });
  views['risk_level_daily'] = all((past) =>
    daysOf(past, calendar, now).flatMap(({ day, from, to }) => bucket(past, from, to, { day })),
  );
  views['risk_level_weekly'] = all((past) => longer(past, calendar, now, 'week_start', mondayOf));
  views['risk_level_monthly'] = all((past) =>
    longer(past, calendar, now, 'month_start', (day) => `${day.slice(0, 7)}-01`),
  );
  const perPeriods = (rowsOf: (past: Past, periods: Period[]) => Row[]) =>
    all((past) => rowsOf(past, periodsOf(past.oracle.snapshots)));
  views['level_changes'] = perPeriods((_, periods) => changesOf(periods).map(({ day: _day, ...row }) => row));
  views['level_transitions_daily'] = perPeriods((_, periods) => {
    const tally = new Map<string, Row & { change_count: number }>();
    for (const { day, from_level, to_level } of changesOf(periods)) {
      const pair = {
        day: calendar.dayOf(day),
        from_level: from_level ?? 'none',
        to_level: to_level ?? 'none',
        from_level_rank: place(from_level) ?? 0,
        to_level_rank: place(to_level) ?? 0,
      };
      const row = tally.get(JSON.stringify(pair)) ?? { ...pair, change_count: 0 };
      row.change_count++;
      tally.set(JSON.stringify(pair), row);
    }
    return [...tally.values()];
  });
  views['user_level_history'] = perPeriods(({ oracle, retiredAt }, periods) =>
    periods.map((p) => {
      const told = oracle.levels.find((row) => row.userId === p.userId && row.from === p.from);
      return {
        user_id: p.userId,
        valid_from: str(p.from),
        valid_to: str(p.to),
        max_risk_level: p.level,
        previous_level: p.previous,
        change: p.change,
        end_reason: endReason(oracle, p),
        absent_since: str(told?.absentSince),
        last_reset_time: str(told?.lastReset),
        duration_seconds: seconds(span(oracle, p)),
        is_baseline: p.first.isBaseline,
        is_account_retired: retiredAt !== null,
        level_rank: place(p.level),
        previous_level_rank: place(p.previous),
      };
    }),
  );
  views['time_at_level'] = perPeriods(({ oracle, retiredAt }, periods) => {
    const groups = Map.groupBy(periods, (p) => `${p.userId} ${p.level}`);
    return [...groups.values()].map((group) => {
      const total = group.reduce((sum, p) => sum + span(oracle, p), 0n);
      return {
        user_id: group[0]!.userId,
        max_risk_level: group[0]!.level,
        period_count: group.length,
        duration_seconds: seconds(total),
        first_from: String(group.map((p) => p.from).reduce((a, b) => (b < a ? b : a))),
        is_current: group.some((p) => p.to === null),
        is_account_retired: retiredAt !== null,
        level_rank: place(group[0]!.level),
      };
    });
  });
  views['high_risk_episodes'] = perPeriods(({ oracle, retiredAt }, periods) =>
    periods
      .filter(({ level }) => level === 'high')
      .map((p) => ({
        user_id: p.userId,
        started_at: str(p.from),
        ended_at: str(p.to),
        change: p.change,
        from_level: p.previous,
        ended_by: p.end !== null && !p.cleared ? 'lowered' : endReason(oracle, p),
        peak_event_count: p.peak,
        duration_seconds: seconds(span(oracle, p)),
        is_baseline: p.first.isBaseline,
        is_account_retired: retiredAt !== null,
        from_level_rank: place(p.previous),
      })),
  );
  views['returned_users'] = perPeriods(({ oracle }, periods) =>
    periods
      .filter(({ change, first }) => change === 'returned' && !first.isBaseline)
      .map((p) => {
        const before = periods
          .filter((one) => one.userId === p.userId && one.from < p.from)
          .reduce((a, b) => (b.from > a.from ? b : a));
        return {
          user_id: p.userId,
          cleared_at: str(before.to),
          end_reason: endReason(oracle, before),
          level_before: before.level,
          returned_at: str(p.from),
          level_after: p.level,
          away_seconds: seconds(p.from - before.to!),
          snapshot_id: str(p.first.snapshotId),
          level_before_rank: place(before.level),
          level_after_rank: place(p.level),
        };
      }),
  );
  views['activity_daily'] = all((past) => activityOf(past, calendar, now));
  views['sync_coverage'] = all((past) => coverageOf(past, calendar, now));
  return views;
}

const until = (past: Past, now: bigint) => least(now, past.retiredAt);

function daysOf(past: Past, calendar: Calendar, now: bigint) {
  const first = past.oracle.snapshots[0];
  return first === undefined || first.at > until(past, now) ? [] : calendar.days(first.at, until(past, now));
}

function bucket({ oracle }: Past, from: bigint, to: bigint, name: Row): Row[] {
  const snapshot = lastBefore(oracle.snapshots, to)!;
  return levelsOf(snapshot).map((level) => ({
    ...name,
    ...level,
    is_observed: snapshot.at >= from,
    snapshot_id: str(snapshot.snapshotId),
    observed_at: str(snapshot.at),
    verdict: snapshot.verdict,
  }));
}

/** Weeks or months: each is named by its first day, and begins and ends with days that the account has. */
function longer(
  past: Past,
  calendar: Calendar,
  now: bigint,
  column: 'week_start' | 'month_start',
  firstDayOf: (day: string) => string,
): Row[] {
  const { snapshots } = past.oracle;
  const groups = Map.groupBy(daysOf(past, calendar, now), ({ day }) => firstDayOf(day));
  return [...groups].flatMap(([start, days]) => {
    const states = days.map(({ to }) => lastBefore(snapshots, to)!);
    const last = states.at(-1)!;
    const observed = days.filter(({ from }, nth) => states[nth]!.at >= from).length;
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const present = sum(states.map(({ state }) => state.size));
    const levels = states.map(levelsOf);
    return levels.at(-1)!.map((level, nth) => {
      const each = levels.map((state) => state[nth]!);
      const users = sum(each.map((one) => one.user_count));
      return {
        [column]: start,
        ...level,
        average_user_count: users / days.length,
        average_share: present === 0 ? null : users / present,
        average_event_count: sum(each.map((one) => Number(one.event_count))) / days.length,
        day_count: days.length,
        observed_day_count: observed,
        is_observed: observed > 0,
        snapshot_id: str(last.snapshotId),
        observed_at: str(last.at),
        verdict: last.verdict,
      };
    });
  });
}

/** The Monday of the ISO week. */
function mondayOf(day: string): string {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7));
  return at.toISOString().slice(0, 10);
}

function changesOf(periods: readonly Period[]) {
  const change = (
    p: Period,
    by: SnapshotRecord,
    from: RiskLevel | null,
    to: RiskLevel | null,
    what: string,
  ) => ({
    day: by.at,
    user_id: p.userId,
    changed_at: str(by.at),
    from_level: from,
    to_level: to,
    change: what,
    snapshot_id: str(by.snapshotId),
    from_level_rank: place(from),
    to_level_rank: place(to),
  });
  return periods.flatMap((p) => [
    ...(p.first.isBaseline ? [] : [change(p, p.first, p.previous, p.level, p.change)]),
    ...(p.cleared && !p.end!.isBaseline ? [change(p, p.end!, p.level, null, 'cleared')] : []),
  ]);
}

/** The states do not say why a user was cleared. */
function endReason(oracle: Oracle, p: Period): string | null {
  if (p.end === null) return null;
  if (!p.cleared) return 'changed';
  return oracle.levels.find((row) => row.userId === p.userId && row.from === p.from)?.endReason ?? null;
}

const span = (oracle: Oracle, p: Period) => (p.to ?? oracle.snapshots.at(-1)!.at) - p.from;

function activityOf(past: Past, calendar: Calendar, now: bigint): Row[] {
  const { snapshots } = past.oracle;
  const counters = new Map<string, string>();
  const active = new Map<SnapshotRecord, Set<string>>();
  for (const snapshot of snapshots) {
    const moved = [...snapshot.state].filter(
      ([userId, user]) => counters.get(userId) !== `${user.eventCount} ${user.lastEvent}`,
    );
    for (const [userId, user] of moved) counters.set(userId, `${user.eventCount} ${user.lastEvent}`);
    active.set(snapshot, new Set(snapshot.isBaseline ? [] : moved.map(([userId]) => userId)));
  }
  return daysOf(past, calendar, now).map(({ day, from, to }) => {
    const taken = snapshots.filter((one) => one.at >= from && one.at < to);
    const news = taken.filter((one) => !one.isBaseline);
    const sum = (kind: 'appeared' | 'raised' | 'lowered' | 'cleared' | 'returned') =>
      news.reduce((total, { counts }) => total + counts[kind], 0);
    return {
      day,
      snapshot_count: taken.length,
      appeared: sum('appeared'),
      raised: sum('raised'),
      lowered: sum('lowered'),
      cleared: sum('cleared'),
      returned: sum('returned'),
      active_users: new Set(news.flatMap((one) => [...active.get(one)!])).size,
    };
  });
}

function coverageOf(past: Past, calendar: Calendar, now: bigint): Row[] {
  const { runs, oracle } = past;
  const { snapshots } = oracle;
  if (runs.length === 0) return [];
  const earliest = (instants: bigint[]) =>
    instants.length === 0 ? null : instants.reduce((a, b) => (b < a ? b : a));
  const firstSlot = earliest(runs.flatMap((run) => run.scheduledFor ?? []));
  const first = earliest(runs.map((run) => run.finishedAt))!;
  if (first > until(past, now)) return [];
  return calendar.days(first, until(past, now)).map(({ day, from, to }) => {
    const end = least(to, until(past, now));
    const ended = runs.filter((run) => run.finishedAt >= from && run.finishedAt < to);
    const count = (status: string) => ended.filter((run) => run.status === status).length;
    const slots = (kept: (run: RunFact) => boolean) =>
      new Set(
        runs
          .filter((run) => run.finishedAt >= from && run.finishedAt < to + 24n * HOUR && kept(run))
          .flatMap((run) => run.scheduledFor ?? [])
          .filter((slot) => slot >= from && slot < to),
      ).size;
    const taken = snapshots.filter((one) => one.at >= from && one.at < to);
    const gaps = taken.flatMap((one) => {
      const before = lastBefore(snapshots, one.at);
      return before === undefined ? [] : [one.at - before.at];
    });
    const largest = gaps.length === 0 ? null : gaps.reduce((a, b) => (b > a ? b : a));
    const newest = lastBefore(snapshots, to);
    const age = newest === undefined ? null : end - newest.at;
    return {
      day,
      run_count: ended.length,
      succeeded_count: count('succeeded'),
      failed_count: count('failed'),
      abandoned_count: count('abandoned'),
      complete_count: taken.filter((one) => one.verdict === 'complete').length,
      partial_count: taken.filter((one) => one.verdict === 'partial').length,
      expected_slot_count: expectedSlots(runs, { from, to, end, firstSlot }),
      slot_count: slots(() => true),
      slot_succeeded_count: slots((run) => run.status === 'succeeded'),
      largest_gap_seconds: seconds(largest),
      age_at_end_seconds: seconds(age),
    };
  });
}

function expectedSlots(
  runs: readonly RunFact[],
  day: { from: bigint; to: bigint; end: bigint; firstSlot: bigint | null },
): number | null {
  const ended = runs.filter((run) => run.finishedAt < day.to);
  const newest = ended.reduce((at, run) => (run.finishedAt > at ? run.finishedAt : at), 0n);
  const since = newest - 31n * 24n * HOUR;
  // The 50 newest attempts, and the 10 newest slots that succeeded.
  const attempts = ended
    .filter((run) => run.scheduledFor !== null && run.finishedAt >= since)
    .toSorted((a, b) => Number(b.finishedAt - a.finishedAt))
    .slice(0, 50);
  const done = runs
    .filter((run) => run.status === 'succeeded' && run.scheduledFor !== null)
    .filter((run) => run.scheduledFor! < day.to && run.scheduledFor! >= since)
    .toSorted((a, b) => Number(b.scheduledFor! - a.scheduledFor!))
    .slice(0, 10);
  const slots = [...new Set([...attempts, ...done].map((run) => run.scheduledFor!))]
    .toSorted((a, b) => Number(a - b))
    .slice(-10);
  const gaps = slots.slice(1).map((slot, index) => slot - slots[index]!);
  if (gaps.length === 0) return null;
  const usual = gaps.toSorted((a, b) => Number(a - b))[Math.ceil(gaps.length / 2) - 1]!;
  const whole = Math.round(Number(day.to - day.from) / Number(usual));
  const sofar = Math.ceil(Number(day.end - greatest(day.from, day.firstSlot)) / Number(usual));
  return Math.max(0, Math.min(whole, sofar));
}

/** Rows of risk_bi.users_as_of, and of risk_bi.snapshot_users, for the newest snapshot at or before an instant. */
export function expectedUsers({ oracle }: Past, instant: bigint): { asOf: Row[]; rebuilt: Row[] } {
  const snapshot = at(oracle.snapshots, instant);
  const rows = (more: (user: UserState) => Row) =>
    [...(snapshot?.state ?? [])].map(([userId, user]) => ({
      user_id: userId,
      max_risk_level: user.level,
      event_count: user.eventCount,
      last_event: str(user.lastEvent),
      level_rank: place(user.level),
      ...more(user),
    }));
  return {
    asOf: rows(() => ({ snapshot_id: str(snapshot?.snapshotId), observed_at: str(snapshot?.at) })),
    rebuilt: rows(({ email, name }) => ({ email, name })),
  };
}

export function expectedComparison({ oracle }: Past, from: bigint, to: bigint): Row[] {
  const { snapshots } = oracle;
  const before = at(snapshots, from)?.state;
  const after = at(snapshots, to)?.state;
  const known = new Set(snapshots.filter((one) => one.at <= from).flatMap(({ state }) => [...state.keys()]));
  const everybody = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...everybody].flatMap((userId) => {
    const was = before?.get(userId)?.level ?? null;
    const is = after?.get(userId)?.level ?? null;
    if (was === is) return [];
    const change =
      is === null
        ? 'cleared'
        : was === null
          ? known.has(userId)
            ? 'returned'
            : 'appeared'
          : rank(is) > rank(was)
            ? 'raised'
            : 'lowered';
    return [
      {
        user_id: userId,
        change,
        from_level: was,
        to_level: is,
        from_level_rank: place(was),
        to_level_rank: place(is),
      },
    ];
  });
}
