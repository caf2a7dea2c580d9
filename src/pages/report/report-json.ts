// The report for programs: the rows behind each picture and list, and the sentences.
import { listedOf, nameIn, type Report } from '../../answers/report/report.ts';
import { NO_IDENTITY } from '../../user-risk.ts';
import { reportCaveats, reportSummary } from '../../answers/report/report-words.ts';

export function reportJson(report: Report, version: string): string {
  const { scope, begin, end, trend, transitions, longest, response, coverage, runs, names } = report;
  const named = <Row extends { account_id: string; user_id: string }>(rows: readonly Row[]) =>
    names === null ? rows : rows.map((row) => ({ ...row, ...(nameIn(report, row) ?? NO_IDENTITY) }));
  const value = {
    version,
    made_at: scope.now,
    account_ids: scope.accounts.map(({ account_id }) => account_id),
    from: scope.span.from,
    to: scope.span.to,
    timezone: scope.timezone,
    summary: reportSummary(report),
    caveats: reportCaveats(report),
    beyond_retention: report.deleted,
    levels: [begin, end],
    trend: trend.rows,
    transitions,
    raised: changes('raised'),
    cleared: changes('cleared'),
    returned: changes('returned'),
    longest_at_high: named(longest),
    target_seconds: response.targetMs / 1000,
    response_times: response.times.rows,
    distribution: response.distribution.rows,
    open_over_target: named(response.open.rows),
    runs,
    coverage,
  };
  return `${JSON.stringify(value, null, 2)}\n`;

  function changes(change: Parameters<typeof listedOf>[1]) {
    const { rows, count } = listedOf(report, change);
    return { count, users: named(rows) };
  }
}
