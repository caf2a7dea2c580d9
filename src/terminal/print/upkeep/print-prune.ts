// What `prune` deleted, or would delete, account by account.
import { accountName } from '../../../answers/resolve-accounts.ts';
import type { KnownAccount } from '../../../queries/accounts/known-accounts.ts';
import { dataSize, plural } from '../../../words.ts';
import { printRows, table, type Cell, type Column, type OutputFormat } from '../../table.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

export type PruneRow = {
  account: KnownAccount;
  /** A part of the history, or `rejected`. */
  part: string;
  rows: number;
  /** Estimated; null after a prune. */
  bytes: number | null;
  wholeSince: string | null;
};

const COLUMNS = ['account_id', 'dataset', 'row_count', 'bytes', 'whole_since', 'is_dry_run'] as const;

export function printPruned(
  out: NodeJS.WritableStream,
  rows: readonly PruneRow[],
  { format, dryRun }: { format: OutputFormat; dryRun: boolean },
  view: View,
): void {
  if (format !== 'table') {
    const cells = rows.map((row): Cell[] => [
      row.account.account_id,
      row.part,
      row.rows,
      row.bytes === null ? null : Math.round(row.bytes),
      row.wholeSince === null ? null : new Date(row.wholeSince).toISOString(),
      dryRun,
    ]);
    return printRows(
      out,
      format,
      COLUMNS.map((name) => ({ name })),
      cells,
    );
  }
  for (const [account, own] of Map.groupBy(rows, ({ account }) => account)) {
    const columns: Column[] = [
      { name: 'part' },
      { name: dryRun ? 'would go' : 'deleted', right: true },
      ...(dryRun ? [{ name: 'size', right: true } as const] : []),
      { name: 'whole since' },
    ];
    const cells = own.map((row): Cell[] => [
      row.part,
      row.rows.toLocaleString('en-US'),
      ...(dryRun ? [dataSize(row.bytes ?? 0)] : []),
      row.wholeSince === null ? null : view.time(row.wholeSince),
    ]);
    out.write(`${accountName(account)}\n${table(columns, cells, view.width)}\n\n`);
  }
  out.write(`${wrap(sumUp(rows, dryRun), 0, view.textWidth)}\n`);
}

function sumUp(rows: readonly PruneRow[], dryRun: boolean): string {
  const count = rows.reduce((sum, row) => sum + row.rows, 0);
  const bytes = rows.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
  if (count === 0) return dryRun ? 'Nothing is too old. Nothing would go.' : 'Nothing is too old.';
  if (dryRun) return `${plural(count, 'row')} would go, about ${dataSize(bytes)}. Nothing was deleted.`;
  return `${plural(count, 'row')} deleted. PostgreSQL uses the space again after a VACUUM, which autovacuum does on its own.`;
}
