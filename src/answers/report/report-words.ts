// The report in sentences: what a manager reads first, and the caveats of the figures. Pure.
import { missingWords } from '../beyond-retention.ts';
import { missedOf } from '../pages/coverage.ts';
import { changesHeadline } from '../people/changes-page.ts';
import { openOver, responseCaveats, responseHeadline, targetWords } from '../pages/response.ts';
import { runsHeadline } from '../pages/runs.ts';
import type { Scope } from '../scope.ts';
import { localMinute } from '../../time/when.ts';
import { plural } from '../../words.ts';
import type { Report } from './report.ts';

/** "Demo", "Demo and Other" or "All accounts", if there are several. An account without a label has its id. */
export function accountNames({
  chosen,
  several,
  accounts,
}: Pick<Scope, 'chosen' | 'several' | 'accounts'>): string {
  const only = accounts.length === 1 ? accounts : undefined;
  const named = chosen === null ? (several ?? only) : [chosen];
  return named?.map(({ label, account_id }) => label ?? account_id).join(' and ') ?? 'All accounts';
}

/** "2026-10-30 to 2026-11-28", with times unless the period has whole days. The last day is included. */
export function periodWords({ span: { from, to }, timezone }: Pick<Scope, 'span' | 'timezone'>): string {
  const [begin, end] = [localMinute(from, timezone), localMinute(to, timezone)];
  const isMidnight = (text: string) => text.endsWith(' 00:00');
  if (!isMidnight(begin) || !isMidnight(end)) return `${begin} to ${end}`;
  const last = localMinute(new Date(to.getTime() - 1), timezone).slice(0, 10);
  return begin.slice(0, 10) === last ? last : `${begin.slice(0, 10)} to ${last}`;
}

export function reportSummary(report: Report): string[] {
  const { begin, end, transitions, response, runs } = report;
  const rows = response.times.rows;
  if (end.account_count === 0) return ['There is no snapshot up to the end of this period.'];
  const open = openOver(rows);
  return [
    `${atHigh(end.high)} at the end${begin.account_count === 0 ? '' : `, ${against(end.high - begin.high)} at the start`}.`,
    changesHeadline(transitions, 'in this period'),
    responseHeadline(rows),
    `${open === 0 ? 'Nobody was' : plural(open, 'user was', 'users were')} at high for longer than ${targetWords(response.targetMs)} at the end.`,
    runsHeadline(runs),
  ];
}

export function reportCaveats(report: Report): string[] {
  const { begin, end, runs, trend, coverage, response, scope } = report;
  const missed = coverage.reduce((sum, day) => sum + missedOf(day), 0);
  const loads = trend.marks.filter(({ baseline_count }) => baseline_count > 0).length;
  const retired =
    scope.chosen === null && scope.several === undefined ? scope.known.length - scope.accounts.length : 0;
  const missing = missingWords(report.deleted, scope);
  return [
    ...(missing === null ? [] : [missing]),
    ...(begin.account_count < end.account_count
      ? ['The history of an account begins within this period: its figures at the start are missing.']
      : []),
    ...(loads === 0
      ? []
      : ['A first load lies in this period. Its users were there before: they are no news.']),
    ...(runs.partial_count === 0
      ? []
      : [
          `${plural(runs.partial_count, 'snapshot is', 'snapshots are')} partial: users who were missed keep their last known level, and a partial walk alone clears nobody.`,
        ]),
    ...(missed === 0
      ? []
      : [`${plural(missed, 'slot was', 'slots were')} missed: a change shows only with the next snapshot.`]),
    ...responseCaveats(response.times.rows),
    ...retirements(scope),
    ...(retired === 0
      ? []
      : [`${plural(retired, 'retired account is', 'retired accounts are')} not in the totals.`]),
  ];
}

/** Named accounts that were retired before the end of the period. */
function retirements({ chosen, several = [], span, timezone }: Scope): string[] {
  return (chosen === null ? several : [chosen]).flatMap(({ label, account_id, retired_at }) =>
    retired_at === null || retired_at >= span.to
      ? []
      : [
          `${label ?? account_id} was retired on ${localMinute(retired_at, timezone).slice(0, 10)}: its figures after that are those of its last snapshot.`,
        ],
  );
}

function atHigh(count: number): string {
  if (count === 0) return 'Nobody was at high';
  return `${plural(count, 'user was', 'users were')} at high`;
}

function against(more: number): string {
  if (more === 0) return 'as many as';
  return `${Math.abs(more).toLocaleString('en-US')} ${more > 0 ? 'more' : 'fewer'} than`;
}
