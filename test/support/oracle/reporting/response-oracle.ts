// How long users were at high, from published states: plain loops over the past, no SQL, and no code of the program.
import type { SnapshotRecord } from '../oracle.ts';
import { periodsOf } from './periods.ts';
import type { Past } from './past.ts';

export type Asked = { from: bigint; to: bigint; targetSeconds: number };

export type Kept = {
  past: Past;
  userId: string;
  from: bigint;
  /** Null: it lasted at the end of the span. */
  to: bigint | null;
  by: 'lowered' | 'reset' | 'absent' | 'open';
  seconds: number;
  isBaseline: boolean;
};

/** Periods at high that ended in the span, and those that lasted at its end. */
export function keptIn(pasts: readonly Past[], { from, to }: Pick<Asked, 'from' | 'to'>): Kept[] {
  return pasts.flatMap((past) => {
    const newest = past.oracle.snapshots.findLast(({ at }) => at < to);
    if (newest === undefined) return [];
    return periodsOf(past.oracle.snapshots).flatMap((period): Kept[] => {
      if (period.level !== 'high' || period.from >= to) return [];
      const { userId, first } = period;
      const isOpen = period.to === null || period.to >= to;
      if (!isOpen && period.to! < from) return [];
      const end = isOpen ? newest.at : period.to!;
      return [
        {
          past,
          userId,
          from: period.from,
          to: isOpen ? null : period.to,
          by: isOpen ? 'open' : endOf(past, period),
          seconds: Number(end - period.from) / 1e6,
          isBaseline: first.isBaseline,
        },
      ];
    });
  });
}

/** The states do not say why a user was cleared: the levels from the history do. */
function endOf(
  { oracle }: Past,
  { userId, from, cleared }: { userId: string; from: bigint; cleared: boolean; first: SnapshotRecord },
): 'lowered' | 'reset' | 'absent' {
  if (!cleared) return 'lowered';
  const told = oracle.levels.find((row) => row.userId === userId && row.from === from)?.endReason;
  return told === 'reset' ? 'reset' : 'absent';
}

export type Figures = {
  count: number;
  median: number | null;
  p90: number | null;
  over: number;
  leftOut: number;
  leftOutOver: number;
};

export function figuresOf(kept: readonly Kept[], by: Kept['by'] | 'any', targetSeconds: number): Figures {
  const mine = kept.filter((one) => (by === 'any' ? one.by !== 'open' : one.by === by));
  const known = mine.filter(({ isBaseline }) => !isBaseline).map(({ seconds }) => seconds);
  const unknown = mine.filter(({ isBaseline }) => isBaseline).map(({ seconds }) => seconds);
  return {
    count: known.length,
    median: percentile(known, 50),
    p90: percentile(known, 90),
    over: known.filter((seconds) => seconds > targetSeconds).length,
    leftOut: unknown.length,
    leftOutOver: unknown.filter((seconds) => seconds > targetSeconds).length,
  };
}

/** Between the two nearest ranks, in a straight line. */
export function percentile(values: readonly number[], percent: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(rank);
  const next = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return sorted[below]! + (next - sorted[below]!) * (rank - below);
}
