// Users per level over time: a chart and a table with one row per bucket, or JSON or CSV.
import type { Trend } from '../../answers/trend.ts';
import type { Bucket, TrendPoint } from '../../queries/levels/level-trend.ts';
import { NO_ACCOUNT } from '../../answers/choose-histories.ts';
import { accountName } from '../../answers/resolve-accounts.ts';
import { localMinute, startOfDay } from '../../time/when.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import { printRows, table, type Cell, type OutputFormat } from '../table.ts';
import {
  axisOf,
  barChart,
  CARRIED_MARKS,
  changeInWords,
  gutterOf,
  legend,
  percentOf,
  sparkline,
  stretchesOf,
  timeAxis,
  type Level,
} from '../trend-chart.ts';
import { viewOf, type View } from '../view.ts';
import { wrap, type Terminal } from '../wrap.ts';

type TrendIo = Terminal & { stdout: NodeJS.WritableStream; stderr: { write(text: string): unknown } };
type TrendPrintOptions = {
  format: OutputFormat;
  /** The number of newest rows that the table shows. Default all. */
  rows?: number;
};

/** In the order of columns and rows: the worst level first. */
const LEVELS: readonly Level[] = RISK_LEVELS.toReversed();

export function printTrend(io: TrendIo, trend: Trend, options: TrendPrintOptions): void {
  const { accounts, points } = trend;
  const view = viewOf(io, trend.timezone);
  if (points.length > 0)
    for (const account of accounts)
      if (account.newest_at === null && account.retired_at === null)
        io.stderr.write(view.notice(`account ${accountName(account)}: no snapshot yet`));
  if (options.format !== 'table') return printPoints(io, trend, options.format);
  if (accounts.length === 0) {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  if (points.length === 0) {
    io.stdout.write(
      accounts.every((account) => account.newest_at === null)
        ? 'There is no snapshot yet. Make one: zt-risk-sync sync. What went wrong: zt-risk-sync status\n'
        : `Every account with snapshots was retired before ${view.time(trend.since)}. Try an earlier --since.\n`,
    );
    return;
  }
  let shown = 0;
  for (const account of accounts) {
    const own = points.filter((point) => point.account_id === account.account_id);
    if (own.length === 0) continue;
    if (shown++ > 0) io.stdout.write('\n');
    const span = `${own[0]?.bucket} to ${own.at(-1)?.bucket}, by ${trend.bucket} (${trend.timezone})`;
    io.stdout.write(`account ${accountName(account)}\n${span}\n\n`);
    if (own.every((point) => !point.is_observed) && account.newest_at !== null)
      io.stdout.write(
        `No snapshot in this span: the newest was taken at ${view.time(account.newest_at)}.\n\n`,
      );
    drawLevels(io, own, trend.bucket, view);
    io.stdout.write(`\n${pointTable(own.slice(-(options.rows ?? own.length)), trend.bucket, view)}\n`);
  }
}

function printPoints(io: TrendIo, { points, bucket, timezone }: Trend, format: OutputFormat): void {
  // Names as in risk_bi; a row per bucket needs one column for each level.
  const columns = [
    'account_id',
    bucket,
    'low',
    'medium',
    'high',
    'verdict',
    'user_count',
    'high_share',
    'is_observed',
    'starts_at',
    'snapshot_id',
    'observed_at',
  ];
  const rows = points.map((p): Cell[] => {
    const all = p.low + p.medium + p.high;
    return [
      p.account_id,
      p.bucket,
      p.low,
      p.medium,
      p.high,
      p.verdict,
      all,
      all === 0 ? null : Number((p.high / all).toFixed(6)),
      p.is_observed,
      p.hour_at ?? startOfDay(p.bucket, timezone).toISOString(),
      p.snapshot_id,
      p.observed_at,
    ];
  });
  printRows(
    io.stdout,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

// A terminal always gets a chart. Elsewhere a chart needs this width to be readable; below it, a line of blocks is
// drawn.
const CHART_FROM = 100;
const WIDEST = 160;
const NARROWEST = 50;

function drawLevels(io: TrendIo, points: readonly TrendPoint[], bucket: Bucket, view: View): void {
  const { paint } = view;
  const width = Math.max(NARROWEST, Math.min(view.width, WIDEST));
  const isChart = io.stdout.isTTY === true || width >= CHART_FROM;
  const share = percentOf(points.at(-1)!, 'high');
  const shareBefore = percentOf(points[0]!, 'high');
  const titles = LEVELS.map((level) => {
    const change = changeInWords(points, level);
    if (level !== 'high' || share === null) return change;
    return isChart
      ? `${change}   ${share} % of all${shareBefore === null || points.length === 1 ? '' : `, was ${shareBefore} %`}`
      : change;
  });
  const gutter = gutterOf(points);
  const lines: string[] = [];
  if (isChart) {
    for (const [index, level] of LEVELS.entries()) {
      lines.push(`${paint(level, level.padEnd(7))}${titles[index]}`);
      lines.push(...barChart(points, level, { width, gutter }).map((line) => paint(level, line)));
    }
    lines.push(...timeAxis(points, { width, gutter }), ...axes(points, width - gutter - 2));
  } else {
    const room = Math.max(8, width - 10 - Math.max(...titles.map((title) => title.length)));
    for (const [index, level] of LEVELS.entries())
      lines.push(
        `${paint(level, `${level.padEnd(7)}${sparkline(stretchesOf(points, level, room))}`)}  ${titles[index]}`,
      );
    const marks = stretchesOf(points, 'high', room)
      .map(({ hasPartial }) => (hasPartial ? 'p' : ' '))
      .join('');
    if (marks.trim() !== '') lines.push(`       ${marks}`.trimEnd());
    lines.push(scales(points));
    if (share !== null)
      lines.push(
        `high is ${share} % of all${shareBefore === null || points.length === 1 ? '' : `, was ${shareBefore} %`}`,
      );
  }
  const marks = legend(points, isChart ? CARRIED_MARKS.bars : CARRIED_MARKS.line, bucket);
  lines.push(...marks.map((line) => wrap(line, 2, Math.min(width, 100))));
  io.stdout.write(`${lines.join('\n')}\n`);
}

/** Which axes do not begin at zero: their bars exaggerate changes. */
function axes(points: readonly TrendPoint[], room: number): string[] {
  const cut = LEVELS.map((level) => ({ level, low: axisOf(stretchesOf(points, level, room))[0] }))
    .filter(({ low }) => low > 0)
    .map(({ level, low }) => `${level} at ${low.toLocaleString('en-US')}`);
  return cut.length === 0 ? [] : [`Not every axis begins at 0: ${cut.join(', ')}.`];
}

/** A line of blocks goes from its lowest value to its highest. */
function scales(points: readonly TrendPoint[]): string {
  const spans = LEVELS.map((level) => {
    const values = points.map((point) => point[level]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return `${level} ${low.toLocaleString('en-US')} to ${high.toLocaleString('en-US')}`;
  });
  return `▁ to █: ${spans.join(', ')}`;
}

function pointTable(points: readonly TrendPoint[], bucket: Bucket, view: View): string {
  const columns = [
    { name: bucket },
    { name: 'low', right: true },
    { name: 'medium', right: true },
    { name: 'high', right: true },
    { name: 'high %', right: true },
    { name: 'all', right: true },
    { name: 'verdict' },
    { name: 'snapshot', right: true, extra: true as const },
    { name: 'observed', extra: true as const },
  ];
  return table(
    columns,
    points.map((p) => [
      p.bucket,
      p.low,
      p.medium,
      p.high,
      percentOf(p, 'high'),
      p.low + p.medium + p.high,
      p.is_observed ? p.verdict : 'no snapshot',
      String(p.snapshot_id),
      localMinute(p.observed_at, view.timezone),
    ]),
    view.width,
  );
}
