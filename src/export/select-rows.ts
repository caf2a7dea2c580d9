// The COPY statement of a dataset: which rows, and how each value looks in the format. Pure.
import type { Column, Dataset } from './datasets.ts';

export const FORMATS = ['csv', 'ndjson', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];

export type Rows = {
  /** Null: all accounts. */
  accountKeys: readonly number[] | null;
  /** Rows that were written after this feed value. */
  after: number;
  since: Date | null;
  until: Date | null;
  /** Parquet: the rows of one account and day stand together, and end with the two. */
  partition?: boolean;
  /** For snapshot-users. Null: the newest of each account. */
  snapshotId: number | null;
};

/**
 * Times are as PostgreSQL writes them, in UTC: every transaction begins with PINNED_SETTINGS. `forPeople`: a text that a
 * spreadsheet would take for a formula begins with an apostrophe.
 */
export function copyStatement(dataset: Dataset, rows: Rows, format: Format, forPeople: boolean): string {
  const isPartition = rows.partition === true;
  const values = [
    ...dataset.columns.map((column) => `${valueOf(column, format, forPeople)} as "${column.name}"`),
    ...(isPartition ? partitionOf(dataset) : []),
  ];
  const order = `\n order by a.account_id${dataset.span === undefined ? '' : ', "date"'}`;
  const select = `select ${values.join(', ')} from ${dataset.from}${where(dataset, rows)}${isPartition ? order : ''}`;
  if (format === 'parquet') return `copy (${select}) to stdout (format binary)`;
  if (format === 'csv') return `copy (${select}) to stdout (format csv, header)`;
  // JSON has no control characters, so this CSV never quotes: a line is what row_to_json returns. The text format would
  // double each backslash.
  return `copy (select row_to_json(r) from (${select}) r) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`;
}

/** As text. `date` is the UTC day of the row's time; null where rows have none. */
function partitionOf({ span }: Dataset): string[] {
  const date = span === undefined ? 'null::text' : `to_char(timezone('UTC', ${span.from}), 'YYYY-MM-DD')`;
  return ['a.account_id as "account"', `${date} as "date"`];
}

function valueOf({ kind, sql }: Column, format: Format, forPeople: boolean): string {
  // Readers of Parquet need a uuid as text, not as bytes.
  if (format === 'parquet') return kind === 'uuid' ? `${sql}::text` : sql;
  if (format === 'ndjson') return sql;
  // PostgreSQL writes t and f, which most readers take for text.
  if (kind === 'boolean') return `${sql}::text`;
  return kind === 'outside' && forPeople ? escaped(sql) : sql;
}

/** The same signs as on the commands that print CSV: = + - @, tab, carriage return, and the wide forms of the four. */
function escaped(sql: string): string {
  return `case when ${sql} ~ '^[=+@\\t\\r\\uFF1D\\uFF0B\\uFF0D\\uFF20-]' then '''' || ${sql} else ${sql} end`;
}

function where({ stamp, span, isSnapshot }: Dataset, rows: Rows): string {
  const conditions = [
    ...(rows.accountKeys === null
      ? []
      : [`a.account_key in (${rows.accountKeys.map(wholeNumber).join(', ')})`]),
    ...(rows.after > 0 ? [`${stamp} > ${wholeNumber(rows.after)}`] : []),
    ...(isSnapshot === true ? [snapshot(rows.snapshotId)] : []),
    ...(span === undefined || rows.since === null ? [] : [notBefore(span, rows.since)]),
    ...(span === undefined || rows.until === null ? [] : [`${span.from} < ${literal(rows.until)}`]),
  ];
  return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
}

/** A period does not include the instant at which it ends. */
function notBefore({ from, to }: { from: string; to: string }, since: Date): string {
  return from === to ? `${from} >= ${literal(since)}` : `(${to} is null or ${to} > ${literal(since)})`;
}

function snapshot(id: number | null): string {
  return id === null
    ? 's.snapshot_id = (select max(n.snapshot_id) from risk.snapshots n where n.account_key = s.account_key)'
    : `s.snapshot_id = ${wholeNumber(id)}`;
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error('not a whole number');
  return String(value);
}

function literal(at: Date): string {
  return `'${at.toISOString()}'::timestamptz`;
}
