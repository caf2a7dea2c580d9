// How long users stay at high: the time until they were lowered or cleared, compared with the span before. Also the
// users who are still at high for longer than the target.
import { answered, type Answered } from '../../queries/question.ts';
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import {
  openOverTarget,
  type OpenCursor,
  type OpenEpisode,
} from '../../queries/response/open-over-target.ts';
import { responseDistribution, type DurationStep } from '../../queries/response/response-distribution.ts';
import { responseTimes, type ResponseTime } from '../../queries/response/response-times.ts';
import { duration, plural } from '../../words.ts';
import { idsOf, type Scope } from '../scope.ts';

export type Response = {
  targetMs: number;
  times: Answered<ResponseTime>;
  distribution: Answered<DurationStep>;
  /** If there are more rows than requested, one row more than that. */
  open: Answered<OpenEpisode>;
};

export async function responseOf(
  db: Db,
  scope: Scope,
  { targetMs, after, most }: { targetMs: number; after: OpenCursor | null; most: number },
): Promise<Response> {
  const ids = idsOf(scope);
  const span = { ...scope.span, targetMs };
  return {
    targetMs,
    times: await answered(db, responseTimes(ids, span)),
    distribution: await answered(db, responseDistribution(ids, span)),
    open: await answered(db, openOverTarget(ids, span, { after, most: most + 1 })),
  };
}

/** The begin of the earlier span with which the figures are compared. That span has the same length. Pure. */
export function beforeFrom({ from, to }: Scope['span']): Date {
  return new Date(2 * from.getTime() - to.getTime());
}

/** Pure. The ten rows always include it. */
export function responseTimeOf(
  rows: readonly ResponseTime[],
  endedBy: ResponseTime['ended_by'],
  period: ResponseTime['period'] = 'this',
): ResponseTime {
  return rows.find((row) => row.ended_by === endedBy && row.period === period)!;
}

/** Users at high for longer than the target, even if the begin is not known. */
export function openOver(rows: readonly ResponseTime[], period: ResponseTime['period'] = 'this'): number {
  const { over_target_count, left_out_over_target_count } = responseTimeOf(rows, 'open', period);
  return over_target_count + left_out_over_target_count;
}

/** "Half of the users at high were back after 3.3 days, 8 h sooner than in the span before." Pure. */
export function responseHeadline(rows: readonly ResponseTime[]): string {
  const now = responseTimeOf(rows, 'any');
  const before = responseTimeOf(rows, 'any', 'before');
  if (now.median_seconds === null) {
    const open = responseTimeOf(rows, 'open');
    const still = open.episode_count + open.left_out_count;
    return still === 0
      ? 'Nobody was at high.'
      : `Nobody left high; ${plural(still, 'user is', 'users are')} still there.`;
  }
  const half =
    now.episode_count === 1
      ? `One user left high, after ${lasted(now.median_seconds)}`
      : `Half of the users who left high did so within ${lasted(now.median_seconds)}`;
  if (before.median_seconds === null) return `${half}.`;
  const change = now.median_seconds - before.median_seconds;
  // Less than a twentieth is noise.
  if (Math.abs(change) < before.median_seconds / 20) return `${half}, about as long as before.`;
  return `${half}, ${lasted(Math.abs(change))} ${change < 0 ? 'sooner' : 'later'} than before.`;
}

/** "24h", "90m" or "3d", in milliseconds. Pure. Throws SCOPE_INVALID. */
export function readTarget(text: string | undefined, usualMs: number): number {
  if (!text) return usualMs;
  const [, number, unit] = /^(\d{1,8})([smhd])$/.exec(text) ?? [];
  const ms = Number(number ?? 0) * (UNITS[unit as keyof typeof UNITS] ?? 0);
  if (ms > 0) return ms;
  throw new OperatorError({
    code: 'SCOPE_INVALID',
    happened: 'The parameter target of this address cannot be read',
    means: 'It is not known how long somebody may be at high',
    todo: 'Give a duration such as 24h, 90m or 3d',
  });
}

/** The text that `readTarget` reads. Pure. */
export function writeTarget(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find(
    (one) => ms % UNITS[one] === 0 && (one !== 'd' || ms > 2 * UNITS.d),
  );
  return unit === undefined ? `${Math.max(1, Math.round(ms / 1000))}s` : `${ms / UNITS[unit]}${unit}`;
}

/** "24 h", "3 days". Pure. */
export function targetWords(ms: number): string {
  const [, number = '', unit = 's'] = /^(\d+)(\w)$/.exec(writeTarget(ms)) ?? [];
  return unit === 'd' ? plural(Number(number), 'day') : `${number} ${unit === 'm' ? 'min' : unit}`;
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What the figures leave out, and how they are made. Pure. */
export function responseCaveats(rows: readonly ResponseTime[]): string[] {
  const left = responseTimeOf(rows, 'any').left_out_count;
  const open = responseTimeOf(rows, 'open').left_out_count;
  return [
    'A period counts where it ended; open ones are measured up to the newest snapshot.',
    ...(left + open === 0
      ? []
      : [
          `${plural(left + open, 'period')} of a first load ${left + open === 1 ? 'is' : 'are'} left out: ${left + open === 1 ? 'it' : 'they'} may have begun earlier${left > 0 && open > 0 ? ` (${left} ended, ${open} open)` : ''}.`,
        ]),
  ];
}

/** "45 min", "5 h", "1.5 days": one digit more than `duration`, because readers compare lengths here. */
export function lasted(seconds: number): string {
  const days = seconds / 86_400;
  return days < 2 || days >= 20 ? duration(seconds * 1000) : `${days.toFixed(1)} days`;
}
