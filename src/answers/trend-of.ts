// Users by level over the span, in steps that a chart can show, with the marks for the snapshots behind it.
import type { Db } from '../db/handle.ts';
import { OperatorError } from '../errors.ts';
import { trend, type TrendStep, type TrendRow } from '../queries/levels/trend.ts';
import { answerTo, type Question } from '../queries/question.ts';
import { snapshotGaps, type SnapshotGap } from '../queries/snapshots/snapshot-gaps.ts';
import { snapshotMarks, type SnapshotMark } from '../queries/snapshots/snapshot-marks.ts';
import { idsOf, isMany, type Scope, type Span } from './scope.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The longest span that a request may combine with each step. An answer then holds ten thousand rows or so at most. */
const LONGEST: Readonly<Record<TrendStep, number>> = {
  snapshot: 31 * DAY,
  hour: 400 * DAY,
  day: 40_000 * DAY,
};

export type PlottedTrend = {
  step: TrendStep;
  question: Question<TrendRow>;
  rows: TrendRow[];
  /** No snapshot was written, although one was due. */
  gaps: SnapshotGap[];
  marks: SnapshotMark[];
};

export async function trendOf(db: Db, scope: Scope): Promise<PlottedTrend> {
  const { span, timezone } = scope;
  const ids = idsOf(scope);
  const step = stepOf(span, scope.chosen === null ? scope.accounts.length : 1);
  const question = trend(ids, { ...span, timezone, step });
  return {
    step,
    question,
    rows: await answerTo(db, question),
    // With many accounts, there is always one with a gap. Finding gaps also reads the month before the span.
    gaps: isMany(scope) ? [] : await answerTo(db, snapshotGaps(ids, span)),
    marks: await answerTo(db, snapshotMarks(ids, { ...span, timezone, by: step === 'day' ? 'day' : 'hour' })),
  };
}

/** Each step looks at each account, and each snapshot of one account is a step of all. */
const MOST_BY_SNAPSHOT = 10;
const MOST_LOOKS = 250_000;

/** Pure. A month by the hour has 31 days, and an hour more when clocks go back. */
export function stepOf({ from, to }: Pick<Span, 'from' | 'to'>, accounts: number): TrendStep {
  const length = to.getTime() - from.getTime();
  if (length <= 2 * DAY && accounts <= MOST_BY_SNAPSHOT) return 'snapshot';
  return length <= 31 * DAY + HOUR && (length / HOUR) * accounts <= MOST_LOOKS ? 'hour' : 'day';
}

/** Pure. Throws SCOPE_INVALID if the step is too fine for the span. */
export function askedStep(span: Span, step: TrendStep | undefined, accounts: number): TrendStep {
  if (step === undefined) return stepOf(span, accounts);
  if (span.to.getTime() - span.from.getTime() <= LONGEST[step]) return step;
  throw new OperatorError({
    code: 'SCOPE_INVALID',
    happened: `The span is too long for steps of one ${step}`,
    means: 'The answer would have too many rows',
    todo: `Ask for at most ${LONGEST[step] / DAY} days, or for longer steps`,
  });
}
