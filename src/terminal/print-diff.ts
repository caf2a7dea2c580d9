// What differs between two snapshots as text, JSON or CSV.
import type { Difference } from '../answers/difference.ts';
import type { LevelDifference } from '../queries/levels/compare-levels.ts';
import type { LevelCount } from '../queries/levels/levels-of-snapshot.ts';
import type { SnapshotAt } from '../queries/snapshots/snapshot-at.ts';
import { withPersons } from './person-lines.ts';
import { printRows, table, type Cell, type Format } from './table.ts';
import { accountName } from '../answers/choose-histories.ts';
import { localMinute } from '../time/when.ts';
import { CHANGE_ORDER, type Change } from '../user-risk.ts';
import { wrap } from './wrap.ts';

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
];

export function printAll(
  out: NodeJS.WritableStream,
  found: readonly Difference[],
  { format, identities, limit }: { format: Format; identities: boolean; limit: number },
): void {
  const columns = identities ? [...COLUMNS, 'email', 'name'] : COLUMNS;
  const rows = found.flatMap(({ account, from, to, rows }) =>
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
        ...(identities ? [one.email, one.name] : []),
      ]),
  );
  printRows(
    out,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

export function blockOf(
  { account, from, to, rows }: Difference,
  asked: { from: Date; to: Date; timezone: string },
  { identities, limit }: { identities: boolean; limit: number },
): string {
  const end = (name: string, at: Date, seen: SnapshotAt) =>
    `${name.padEnd(6)}${localMinute(at, asked.timezone)}: snapshot ${seen.snapshot_id} of ${localMinute(seen.observed_at, asked.timezone)}${seen.verdict === 'partial' ? ', partial' : ''}`;
  const lines = [
    `account ${accountName(account)}`,
    end('from', asked.from, from),
    end('to', asked.to, to),
    `times are in ${asked.timezone}`,
    '',
  ];
  if (from.snapshot_id === to.snapshot_id) {
    lines.push('There is no snapshot in between: this one is the newest at both times.');
    return `${lines.join('\n')}\n`;
  }
  lines.push(summary(rows), '', levels(from.levels, to.levels));
  if (from.verdict === 'partial')
    lines.push('', wrap('The earlier snapshot is partial: users who appeared may have been present before.'));
  if (to.verdict === 'partial')
    lines.push(
      '',
      wrap('The later snapshot is partial: users it did not meet are shown with their last known state.'),
    );
  if (rows.length > 0) {
    const shown = rows.slice(0, limit);
    const text = table(
      [{ name: 'change' }, { name: 'user_id' }, { name: 'from' }, { name: 'to' }],
      shown.map((one) => [one.change, one.user_id, one.from_level, one.to_level]),
    );
    lines.push('', identities ? withPersons(text, shown) : text);
    const more = rows.length - shown.length;
    if (more > 0)
      lines.push('', `And ${more.toLocaleString('en-US')} more: use --limit, or --format csv for all.`);
  }
  return `${lines.join('\n')}\n`;
}

/** One line per kind of change, including kinds that did not occur, with the levels before and after. */
function summary(rows: readonly LevelDifference[]): string {
  return CHANGE_ORDER.map((change) => {
    const own = rows.filter((row) => row.change === change);
    const counts = new Map<string, number>();
    for (const row of own) counts.set(way(change, row), (counts.get(way(change, row)) ?? 0) + 1);
    const ways = [...counts].map(([name, count]) => `${name} ${count.toLocaleString('en-US')}`).join(', ');
    return `${change.padEnd(9)}${own.length.toLocaleString('en-US').padStart(7)}  ${ways}`.trimEnd();
  }).join('\n');
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
