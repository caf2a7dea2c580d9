// The report as Markdown, for a ticket or a wiki. It has the figures of the HTML, and no pictures.
import { coverageWords } from '../../answers/pages/coverage.ts';
import { lasted, targetWords, responseTimeOf } from '../../answers/pages/response.ts';
import { listedOf, nameIn, type Report } from '../../answers/report/report.ts';
import {
  accountNames,
  periodWords,
  reportCaveats,
  reportSummary,
} from '../../answers/report/report-words.ts';
import type { News } from '../../queries/levels/news.ts';
import { localMinute, minute } from '../../time/when.ts';
import { printable } from '../../words.ts';

export function reportMarkdown(report: Report, version: string): string {
  const { scope } = report;
  const parts = [
    `# Zero Trust user risk: ${plain(accountNames(scope))}, ${periodWords(scope)}`,
    ...reportSummary(report),
    ...(report.end.account_count === 0 ? [] : filled(report)),
    `Made by zt-risk-sync ${version} at ${minute(scope.now, scope.timezone)}. Times are in ${scope.timezone}.`,
  ];
  return `${parts.join('\n\n')}\n`;
}

function filled(report: Report): string[] {
  const { begin, end, coverage } = report;
  return [
    '## Users by level',
    table(
      ['level', 'at the start', 'at the end'],
      (['high', 'medium', 'low'] as const).map((level) => [
        level,
        begin.account_count === 0 ? '' : begin[level],
        end[level],
      ]),
    ),
    '## From level to level',
    table(
      ['from', 'to', 'change', 'users'],
      report.transitions.map((row) => [
        placeIn(row.from_level),
        placeIn(row.to_level),
        row.change,
        row.change_count,
      ]),
    ),
    ...newsOf(report, 'raised', 'Rose'),
    ...newsOf(report, 'cleared', 'Were cleared'),
    ...newsOf(report, 'returned', 'Came back'),
    '## Longest at high',
    longest(report),
    '## Response',
    times(report),
    '## How sure',
    coverageWords(coverage),
    '## What to know',
    reportCaveats(report)
      .map((caveat) => `- ${caveat}`)
      .join('\n'),
  ];
}

function newsOf(report: Report, change: News['change'], title: string): string[] {
  const { rows, count } = listedOf(report, change);
  const time = (at: string) => localMinute(at, report.scope.timezone);
  return [
    `## ${title}: ${count.toLocaleString('en-US')}`,
    table(
      ['user', 'from', 'to', ...(change === 'cleared' ? ['why'] : []), 'when'],
      rows.map((row) => [
        who(report, row),
        row.from_level ?? 'not present',
        row.to_level ?? 'not present',
        ...(change === 'cleared' ? [row.end_reason ?? ''] : []),
        time(row.changed_at),
      ]),
    ),
    ...(count > rows.length ? [`The gravest ${rows.length} of ${count.toLocaleString('en-US')}.`] : []),
  ];
}

function longest(report: Report): string {
  const time = (at: string | null) => (at === null ? 'lasts' : localMinute(at, report.scope.timezone));
  return table(
    ['user', 'at high for', 'from', 'to', 'how it ended'],
    report.longest.map((row) => [
      who(report, row),
      `${row.is_baseline === false ? '' : 'at least '}${lasted(row.duration_seconds)}`,
      time(row.started_at),
      time(row.ended_at),
      row.ended_by ?? '',
    ]),
  );
}

function times({ response: { times, targetMs } }: Report): string {
  const length = (seconds: number | null) => (seconds === null ? '' : lasted(seconds));
  return table(
    [
      'how it ended',
      'periods',
      'before',
      'median',
      'before',
      '90 % within',
      'before',
      `over ${targetWords(targetMs)}`,
      'before',
    ],
    (['any', 'lowered', 'reset', 'absent', 'open'] as const).map((by) => {
      const [now, before] = [responseTimeOf(times.rows, by), responseTimeOf(times.rows, by, 'before')];
      return [
        by,
        now.episode_count,
        before.episode_count,
        length(now.median_seconds),
        length(before.median_seconds),
        length(now.p90_seconds),
        length(before.p90_seconds),
        now.over_target_count,
        before.over_target_count,
      ];
    }),
  );
}

/** The name that the other tables use. */
function placeIn(level: string): string {
  return level === 'none' ? 'not present' : level;
}

function who(report: Report, user: { account_id: string; user_id: string }): string {
  const named = nameIn(report, user);
  const parts = [user.user_id, named?.name ?? '', named?.email ?? ''];
  return parts.filter((part) => part !== '').join(' ');
}

type MarkdownCell = string | number;

function table(head: readonly string[], rows: readonly (readonly MarkdownCell[])[]): string {
  if (rows.length === 0) return 'None.';
  const line = (cells: readonly MarkdownCell[]) =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : plain(cell))).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

/** A name may hold anything. Signs of Markdown and HTML must stay text, and a line must stay one line. */
function plain(text: string): string {
  return printable(text).replace(/[\\`*_[\]<>|#~]/g, '\\$&');
}
