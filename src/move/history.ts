// A history in transit: its description, and its rows as bytes of COPY. Both a database and a backup file provide one.
import * as z from 'zod';

// These names are put into statements, and a file may be from anywhere.
const name = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);
const qualified = z.string().regex(/^risk(_internal)?\.[a-z_][a-z0-9_]{0,62}$/);
const wholeNumber = z.string().regex(/^\d{1,19}$/);

/** Everything about a history except its rows. Numbers that may exceed 2^53 are text. */
export const HistoryHead = z.object({
  /** The version that wrote it, for people. */
  version: z.string().max(100),
  created_at: z.iso.datetime(),
  /** The migrations of its tables, in the order in which they were applied. */
  migrations: z.array(z.object({ hash: z.string(), created_at: z.number() })).min(1),
  clock: z.object({ value: wholeNumber, epoch: z.uuid() }),
  sequences: z.array(z.object({ name: qualified, last_value: wholeNumber, is_called: z.boolean() })),
  /** In an order that satisfies foreign keys. */
  tables: z.array(
    z.object({
      name: qualified,
      columns: z.array(name).min(1),
      rows: z.number().int().nonnegative(),
      /** See checksum.ts. */
      checksum: z.string().max(100),
    }),
  ),
});
export type HistoryHead = z.infer<typeof HistoryHead>;
export type TableHead = HistoryHead['tables'][number];

export type MovedHistory = {
  head: HistoryHead;
  /** Called once for each table, in the order of the head. Each table is read to its end. */
  rowsOf: (table: TableHead) => AsyncIterable<Buffer>;
  /** Called after the last table. Throws if the data that was read cannot be trusted. */
  requireWhole: () => Promise<void>;
};

export function quotedName(qualifiedName: string): string {
  return qualifiedName
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}

export function quotedColumns(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(', ');
}

export function rowCount({ tables }: HistoryHead): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}

/** `table` null: the rows are compared. */
export type MoveProgress = (step: { table: string | null; rows: number; total: number }) => void;
