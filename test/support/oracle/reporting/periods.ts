// Who had which level from when to when: plain loops over successive states, no SQL.
import type { RiskLevel } from '../../../../src/user-risk.ts';
import type { Calendar } from './calendar.ts';
import type { Oracle, SnapshotRecord } from '../oracle.ts';
import { type Past, type Row, rank, place, str, seconds, ofAll } from './past.ts';

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

export function periodViews(pasts: readonly Past[], calendar: Calendar): Record<string, Row[]> {
  const perPeriods = (rowsOf: (past: Past, periods: Period[]) => Row[]) =>
    ofAll(pasts, (past) => rowsOf(past, periodsOf(past.oracle.snapshots)));
  return {
    level_changes: perPeriods((_, periods) => changesOf(periods).map(({ day: _day, ...row }) => row)),
    level_transitions_daily: perPeriods((_, periods) => transitionsOf(periods, calendar)),
    user_level_history: perPeriods(historyOf),
    time_at_level: perPeriods(timeAtLevelOf),
    high_risk_episodes: perPeriods(episodesOf),
    returned_users: perPeriods(returnsOf),
  };
}

function transitionsOf(periods: readonly Period[], calendar: Calendar): Row[] {
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
}

function historyOf({ oracle, retiredAt }: Past, periods: readonly Period[]): Row[] {
  return periods.map((p) => {
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
  });
}

function timeAtLevelOf({ oracle, retiredAt }: Past, periods: readonly Period[]): Row[] {
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
}

function episodesOf({ oracle, retiredAt }: Past, periods: readonly Period[]): Row[] {
  return periods
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
    }));
}

function returnsOf({ oracle }: Past, periods: readonly Period[]): Row[] {
  return periods
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
    });
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
