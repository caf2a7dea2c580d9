// The answers to integrations/sql, computed from the oracle's rows of the views: filters, joins and sums in plain
// loops.
import type { Calendar } from './calendar.ts';
import { expectedComparison } from './users.ts';
import type { Past, Row } from './past.ts';

export type Answers = Record<string, Row[]>;

const DAY = 86_400_000_000n;
const LEVELS = ['low', 'medium', 'high'];
const RANK: Record<string, number> = { none: 0, low: 1, medium: 2, high: 3 };

export function expectedAnswers(
  pasts: readonly Past[],
  views: Record<string, Row[]>,
  calendar: Calendar,
  now: bigint,
): Answers {
  const name = new Map(pasts.map(({ accountId, label }) => [accountId, label ?? accountId]));
  const account = (row: Row) => name.get(row['account_id'] as string)!;
  const today = Date.parse(calendar.dayOf(now));
  const inDays = (days: number) => (row: Row) => Date.parse(row['day'] as string) > today - days * 86_400_000;
  const after = (column: string, days: bigint) => (row: Row) =>
    BigInt(row[column] as string) > now - days * DAY;
  const view = (of: string) => views[of]!;
  const pick = (row: Row, ...columns: string[]) => Object.fromEntries(columns.map((c) => [c, row[c]]));
  const groups = (rows: Row[], ...columns: string[]) =>
    [...Map.groupBy(rows, (row) => JSON.stringify(columns.map((c) => row[c]))).values()] as [Row, ...Row[]][];
  const retired = new Set(pasts.filter((past) => past.retiredAt !== null).map((past) => past.accountId));

  return {
    '01-levels-by-day.sql': groups(view('risk_level_daily').filter(inDays(7)), 'account_id', 'day').map(
      (group) => ({
        account: account(group[0]),
        day: group[0]['day'],
        ...Object.fromEntries(
          LEVELS.map((l) => [l, String(group.find((r) => r['max_risk_level'] === l)!['user_count'])]),
        ),
        is_observed: group[0]['is_observed'],
      }),
    ),
    '02-share-of-high-by-week.sql': view('risk_level_weekly')
      .filter((row) => row['max_risk_level'] === 'high')
      .filter((row) => Date.parse(row['week_start'] as string) > today - 56 * 86_400_000)
      .map((row) => ({
        account: account(row),
        week_start: row['week_start'],
        high: row['user_count'],
        percent: row['share'] === null ? null : (100 * (row['share'] as number)).toFixed(2),
      })),
    '03-high-now.sql': view('users')
      .filter((row) => row['max_risk_level'] === 'high' && !row['is_account_retired'])
      .map((row) => ({
        account: account(row),
        ...pick(row, 'user_id', 'level_since', 'event_count', 'last_event'),
      })),
    '04-rose-last-night.sql': view('level_changes')
      .filter(after('changed_at', 1n))
      .filter(
        ({ change, to_level: to }) =>
          change === 'raised' || ((change === 'appeared' || change === 'returned') && to !== 'low'),
      )
      .map((row) => ({
        account: account(row),
        ...pick(row, 'changed_at', 'user_id', 'change', 'from_level', 'to_level'),
      })),
    '05-changes-by-day.sql': view('activity_daily')
      .filter(inDays(7))
      .map((row) => ({
        account: account(row),
        ...pick(row, 'day', 'snapshot_count', 'appeared', 'raised', 'lowered', 'cleared', 'returned'),
      })),
    '06-transitions.sql': groups(view('level_transitions_daily').filter(inDays(30)), 'from_level').map(
      (group) => ({
        from_level: group[0]['from_level'],
        ...Object.fromEntries(
          Object.keys(RANK).map((to) => [
            `to_${to}`,
            String(group.reduce((n, r) => n + (r['to_level'] === to ? (r['change_count'] as number) : 0), 0)),
          ]),
        ),
      }),
    ),
    '07-one-user.sql': (() => {
      const [most] = groups(view('level_changes'), 'account_id', 'user_id').toSorted(
        (a, b) => b.length - a.length || (String(a[0]['user_id']) < String(b[0]['user_id']) ? -1 : 1),
      );
      return view('user_level_history')
        .filter((r) => r['account_id'] === most![0]['account_id'] && r['user_id'] === most![0]['user_id'])
        .map((row) => ({
          ...pick(row, 'valid_from', 'valid_to', 'max_risk_level', 'change', 'end_reason'),
          days: inDaysOf(row['duration_seconds']),
        }));
    })(),
    '08-longest-at-high.sql': view('time_at_level')
      .filter((row) => row['max_risk_level'] === 'high' && row['is_account_retired'] === false)
      .toSorted(
        (a, b) =>
          (b['duration_seconds'] as number) - (a['duration_seconds'] as number) ||
          (String(a['user_id']) < String(b['user_id']) ? -1 : 1),
      )
      .slice(0, 5)
      .map((row) => ({
        account: account(row),
        ...pick(row, 'user_id', 'period_count', 'is_current'),
        days: inDaysOf(row['duration_seconds']),
      })),
    '09-how-high-ends.sql': groups(
      view('high_risk_episodes').filter(
        (row) =>
          after('started_at', 90n)(row) &&
          row['is_baseline'] === false &&
          row['is_account_retired'] === false,
      ),
      'ended_by',
    ).map((group) => ({
      ended_by: group[0]['ended_by'] ?? 'lasts',
      episodes: String(group.length),
      median_days: tenth(median(group.map((row) => row['duration_seconds'] as number)) / 86_400),
    })),
    '10-returned.sql': view('returned_users')
      .filter(after('returned_at', 30n))
      .map((row) => ({
        account: account(row),
        ...pick(row, 'user_id', 'level_before', 'cleared_at', 'returned_at', 'level_after'),
        days_away: inDaysOf(row['away_seconds']),
      })),
    '11-two-dates.sql': pasts
      .filter((past) => !retired.has(past.accountId))
      .filter((past) => past.oracle.snapshots.some((s) => s.verdict === 'complete' && s.at <= now - 7n * DAY))
      .flatMap((past) =>
        groups(expectedComparison(past, now - 7n * DAY, now), 'change', 'from_level', 'to_level').map(
          (group) => ({
            account: name.get(past.accountId),
            ...pick(group[0], 'change', 'from_level', 'to_level'),
            users: String(group.length),
          }),
        ),
      ),
    '12-coverage.sql': view('sync_coverage')
      .filter(inDays(7))
      .map((row) => ({
        account: account(row),
        ...pick(row, 'day', 'complete_count', 'partial_count', 'failed_count'),
        largest_gap_hours:
          row['largest_gap_seconds'] === null ? null : tenth((row['largest_gap_seconds'] as number) / 3_600),
        slots_done: row['slot_succeeded_count'],
        of_slots: row['expected_slot_count'],
      })),
  };
}

/** Interpolates between the two values in the middle, as percentile_cont does. */
function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** Rounds half away from zero, as numeric does. */
const tenth = (value: number) => (Math.round(value * 10) / 10).toFixed(1);
const inDaysOf = (seconds: unknown) => tenth((seconds as number) / 86_400);
