// What `erased list` prints. Pure, but for the output.
import type { ErasedRow } from '../../../queries/people/list-erased.ts';
import { localMinute } from '../../../time/when.ts';
import { printRows, table, type Cell, type Column, type OutputFormat } from '../../table.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

const CELLS: Readonly<Record<string, (row: ErasedRow) => Cell>> = {
  user_id: (row) => row.user_id,
  mode: (row) => row.mode,
  began_at: (row) => row.began_at,
  finished_at: (row) => row.finished_at,
  accounts: (row) => row.accounts,
  identities: (row) => row.identities,
  rejected: (row) => row.rejected,
  lookups: (row) => row.lookups,
  runs: (row) => row.runs,
};

const COLUMNS: readonly Column[] = [
  { name: 'erased' },
  { name: 'user id now' },
  { name: 'mode' },
  { name: 'accounts', right: true },
  { name: 'identities', right: true, extra: true },
  { name: 'rejected', right: true, extra: true },
  { name: 'lookups', right: true, extra: true },
  { name: 'runs', right: true, extra: true },
];

export function printErased(
  out: NodeJS.WritableStream,
  rows: readonly ErasedRow[],
  format: OutputFormat,
  view: View,
): void {
  if (format !== 'table') {
    const columns = Object.keys(CELLS).map((name) => ({ name }));
    const cells = (row: ErasedRow) => Object.values(CELLS).map((cell) => cell(row));
    return printRows(out, format, columns, rows.map(cells));
  }
  if (rows.length === 0) {
    out.write('Nobody was erased.\n');
    return;
  }
  const text = table(
    COLUMNS,
    rows.map((row): Cell[] => [
      row.finished_at === null ? 'not finished' : localMinute(new Date(row.finished_at), view.timezone),
      row.user_id,
      row.mode,
      row.accounts,
      row.identities,
      row.rejected,
      row.lookups,
      row.runs,
    ]),
    view.width,
  );
  const unfinished = rows.some(({ finished_at }) => finished_at === null)
    ? `${wrap('Run `erase` again for a person whose erasure is not finished: it continues.', 0, view.textWidth)}\n`
    : '';
  out.write(`${text}\n\nTimes are in ${view.timezone}.\n${unfinished}`);
}
