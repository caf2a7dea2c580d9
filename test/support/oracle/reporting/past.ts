// What an oracle knows of the published states, and the form in which all expected rows are written. Rows are objects
// by column; instants and spans are microseconds as text.
import type { RiskLevel } from '../../../../src/user-risk.ts';
import type { Calendar } from './calendar.ts';
import type { Oracle, SnapshotRecord } from '../oracle.ts';

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

export const LEVELS = ['low', 'medium', 'high'] as const;
export const rank = (level: RiskLevel) => LEVELS.indexOf(level);
/** As the column `level_rank` has it: 0 is left to "none". */
export const place = (level: RiskLevel | null | undefined) => (level ? rank(level) + 1 : null);

export const str = (value: bigint | number | null | undefined) =>
  value === null || value === undefined ? null : String(value);
export const seconds = (span: bigint | null) => (span === null ? null : Number(span) / 1e6);
export const least = (...instants: (bigint | null)[]) =>
  instants.filter((one) => one !== null).reduce((a, b) => (b < a ? b : a));
export const greatest = (a: bigint, b: bigint | null) => (b !== null && b > a ? b : a);

export const at = (snapshots: readonly SnapshotRecord[], instant: bigint) =>
  snapshots.findLast((one) => one.at <= instant);
export const lastBefore = (snapshots: readonly SnapshotRecord[], instant: bigint) =>
  snapshots.findLast((one) => one.at < instant);

export function levelsOf({ state }: SnapshotRecord) {
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

export const until = (past: Past, now: bigint) => least(now, past.retiredAt);

export function daysOf(past: Past, calendar: Calendar, now: bigint) {
  const first = past.oracle.snapshots[0];
  return first === undefined || first.at > until(past, now) ? [] : calendar.days(first.at, until(past, now));
}

/** The rows of all accounts, with the account in each. */
export function ofAll<T extends Row>(pasts: readonly Past[], rowsOf: (past: Past) => T[]): Row[] {
  return pasts.flatMap((past) =>
    rowsOf(past).map((row) => ({
      account_id: past.accountId,
      ...row,
      account_label: past.label ?? past.accountId,
    })),
  );
}
