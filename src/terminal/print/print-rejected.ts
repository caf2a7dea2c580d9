// Rejected records as text for a terminal, without their content.
import type { RejectedRow } from '../../queries/rejected/list-rejected.ts';
import type { Unkept } from '../../queries/rejected/list-unkept.ts';
import { localMinute } from '../../time/when.ts';
import { plural, printable } from '../../words.ts';
import type { View } from '../view.ts';
import { wrap } from '../wrap.ts';

/** Three lines per record: a table with user ids and reasons does not fit into 80 columns. */
export function rejectedBlock(row: RejectedRow, what: string, view: View, isGone = false): string {
  const indent = row.id.length + 2;
  const lines = [
    `${row.id}  ${wrap(printable(what), indent, view.textWidth)}`,
    row.user_id === null ? 'user cannot be read' : `user ${row.user_id}`,
    `${seen(row, view)}${isGone ? ', no longer met' : ''}`,
  ];
  return lines.join(`\n${' '.repeat(indent)}`);
}

export function byAccount(rows: readonly RejectedRow[], blocks: readonly string[]): string {
  const ids = [...new Set(rows.map((row) => row.account_id))];
  return ids
    .map((id) =>
      [`account ${id}`, ...blocks.filter((_, index) => rows[index]?.account_id === id)].join('\n\n'),
    )
    .join('\n\n');
}

export function seen(row: RejectedRow, { time, timezone }: View): string {
  if (row.first_run_id === row.last_run_id) return `${time(row.last_seen_at)} (run ${row.last_run_id})`;
  const from = localMinute(row.first_seen_at, timezone);
  return `${from} (run ${row.first_run_id}) to ${time(row.last_seen_at)} (run ${row.last_run_id})`;
}

export function ofThemShown(shown: number, total: number): string {
  return shown < total ? `, ${shown.toLocaleString('en-US')} of them shown (--limit)` : '';
}

/** Empty if the text of every record is kept. */
export function unkeptLines(unkept: readonly Unkept[], { textWidth }: View): string {
  return unkept
    .map(({ account_id, reason, records }) =>
      wrap(
        `account ${account_id}: ${plural(records, 'more record')} only counted, their text is not kept (${printable(reason)})`,
        2,
        textWidth,
      ),
    )
    .map((line) => `${line}\n`)
    .join('');
}
