// What differs between two snapshots as text, JSON or CSV.
import type { Difference } from '../../answers/difference.ts';
import type { LevelDifference } from '../../queries/levels/compare-levels.ts';
import type { LevelCount } from '../../queries/levels/levels-of-snapshot.ts';
import type { SnapshotAt } from '../../queries/snapshots/snapshot-at.ts';
import { accountName } from '../../answers/resolve-accounts.ts';
import { paintLevel, paintLevels } from '../colour.ts';
import { personTable } from './person-lines.ts';
import { printRows, table, type Cell, type OutputFormat } from '../table.ts';
import type { View } from '../view.ts';
import { IDENTITY_FIELDS, CHANGE_ORDER, type Change } from '../../user-risk.ts';
import { wrap } from '../wrap.ts';

const COLUMNS = [
  'account_id',
  'change',
  'user_id',
  'from_level',
  'to_level',
  'from_snapshot_id',
  'from_observed_at',
  'to_snapshot_id',
  'to_observed_at',
  'in_between_count',
];

export function printAll(
  out: NodeJS.WritableStream,
  found: readonly Difference[],
  { format, identities, limit }: { format: OutputFormat; identities: boolean; limit: number },
): void {
  const columns = identities ? [...COLUMNS, ...IDENTITY_FIELDS] : COLUMNS;
  const rows = found.flatMap(({ account, from, to, rows, between }) =>
    rows
      .slice(0, limit)
      .map((one): Cell[] => [
        account.account_id,
        one.change,
        one.user_id,
        one.from_level,
        one.to_level,
        from.snapshot_id,
        from.observed_at.toISOString(),
        to.snapshot_id,
        to.observed_at.toISOString(),
        between.count,
        ...(identities ? IDENTITY_FIELDS.map((field) => one[field]) : []),
      ]),
  );
  printRows(
    out,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

export type DiffPrintOptions = {
  identities: boolean;
  limit: number;
  /** The changes to list. */
  change: readonly Change[];
};

export function diffBlock(
  { account, from, to, rows, between }: Difference,
  asked: { from: Date; to: Date },
  options: DiffPrintOptions,
  view: View,
): string {
  const end = (name: string, at: Date, seen: SnapshotAt) =>
    `${name.padEnd(6)}${view.time(at)}: snapshot ${seen.snapshot_id} of ${view.time(seen.observed_at)}${seen.verdict === 'partial' ? ', partial' : ''}`;
  const lines = [
    `account ${accountName(account)}`,
    end('from', asked.from, from),
    end('to', asked.to, to),
    '',
  ];
  if (from.snapshot_id === to.snapshot_id) {
    lines.push('There is no snapshot in between: this one is the newest at both times.');
    return `${lines.join('\n')}\n`;
  }
  lines.push(
    summary(rows, options.change, view),
    '',
    paintLevels(view.paint, levels(from.levels, to.levels)),
    ...inBetween(between, view),
  );
  const say = (text: string) => lines.push('', wrap(text, 0, view.textWidth));
  if (from.verdict === 'partial')
    say('The earlier snapshot is partial: users who appeared may have been present before.');
  if (to.verdict === 'partial')
    say('The later snapshot is partial: users it did not meet are shown with their last known state.');
  if (rows.length > 0) lines.push('', ...list(rows, options, view));
  return `${lines.join('\n')}\n`;
}

/** Users that a comparison of two moments hides: they rose and came back in between. */
export function inBetween(
  { count, levels }: Difference['between'],
  { paint }: Pick<View, 'paint'>,
): string[] {
  if (count === 0) return [];
  const at = `${count === 1 ? 'was' : 'were'} at ${levels.join(' or ')} in between, and at neither end`;
  return [paintLevels(paint, `${count.toLocaleString('en-US')} more ${at}: zt-risk-sync changes`)];
}

function list(
  rows: readonly LevelDifference[],
  { identities, limit }: DiffPrintOptions,
  { paint, width }: View,
): string[] {
  const shown = rows.slice(0, limit);
  const columns = [
    { name: 'change' },
    { name: 'user_id' },
    { name: 'from', paint: paintLevel(paint) },
    { name: 'to', paint: paintLevel(paint) },
  ];
  const cells = (one: LevelDifference): Cell[] => [one.change, one.user_id, one.from_level, one.to_level];
  const text = identities
    ? personTable(columns, shown, (at) => cells(shown[at]!), width)
    : table(columns, shown.map(cells), width);
  const more = rows.length - shown.length;
  return more === 0
    ? [text]
    : [text, '', `And ${more.toLocaleString('en-US')} more: use --limit, or --format csv for all.`];
}

/** One line per kind of change, including kinds that did not occur, with the levels before and after. */
function summary(rows: readonly LevelDifference[], changes: readonly Change[], { paint }: View): string {
  return CHANGE_ORDER.filter((change) => changes.length === 0 || changes.includes(change))
    .map((change) => {
      const own = rows.filter((row) => row.change === change);
      const counts = new Map<string, number>();
      for (const row of own) counts.set(way(change, row), (counts.get(way(change, row)) ?? 0) + 1);
      const ways = [...counts].map(([name, count]) => `${name} ${count.toLocaleString('en-US')}`).join(', ');
      return `${change.padEnd(9)}${own.length.toLocaleString('en-US').padStart(7)}  ${paintLevels(paint, ways)}`.trimEnd();
    })
    .join('\n');
}

function way(change: Change, { from_level: from, to_level: to }: LevelDifference): string {
  if (change === 'cleared') return `was ${from}`;
  return from === null ? `${to}` : `${from} → ${to}`;
}

function levels(before: readonly LevelCount[], after: readonly LevelCount[]): string {
  return after
    .map(({ max_risk_level, user_count }) => {
      const was = before.find((one) => one.max_risk_level === max_risk_level)?.user_count ?? 0;
      return `${max_risk_level} ${was.toLocaleString('en-US')} → ${user_count.toLocaleString('en-US')}`;
    })
    .reverse()
    .join('   ');
}
