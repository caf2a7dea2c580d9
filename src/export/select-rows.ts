// The COPY statement of a dataset: which rows, and how each value looks in the format. Pure.
import type { DatasetColumn, Dataset } from './datasets.ts';

export const FORMATS = ['csv', 'ndjson', 'parquet'] as const;
export type ExportFormat = (typeof FORMATS)[number];

/**
 * Rows that were written after a feed value: the value of the one clock, or of each account. Other accounts have no
 * rows.
 */
export type After = number | readonly { accountId: string; after: number }[];
export type ChosenAccount = { account_key: number; account_id: string };
export type ChosenSnapshot = { account_id: string; snapshot_id: number; observed_at: string };

export type Rows = {
  /** Null: all accounts. */
  accounts: readonly ChosenAccount[] | null;
  after: After;
  since: Date | null;
  until: Date | null;
  /** Parquet: the rows of one account and day are consecutive, and end with account and date. */
  partition?: boolean;
  /** For snapshot-users. */
  snapshots: readonly ChosenSnapshot[];
};

/**
 * Times are as PostgreSQL writes them, in UTC: every transaction begins with PINNED_SETTINGS. `forPeople`: a text that
 * a spreadsheet would mistake for a formula gets an apostrophe in front.
 */
export function copyStatement(
  dataset: Dataset,
  rows: Rows,
  format: ExportFormat,
  forPeople: boolean,
): string {
  const isPartition = rows.partition === true;
  const named = dataset.columns.map((column) => [column.name, valueOf(column, format, forPeople)]);
  const values = [
    ...(format === 'ndjson'
      ? [`json_build_object(${named.map(([name, value]) => `'${name}', ${value}`).join(', ')})`]
      : named.map(([name, value]) => `${value} as "${name}"`)),
    ...(isPartition ? partitionOf(dataset) : []),
  ];
  const order = `\n order by ${accountId(dataset)}${dataset.span === undefined ? '' : ', "date"'}`;
  const select = `select ${values.join(', ')} from ${from(dataset, rows)}${where(dataset, rows)}${isPartition ? order : ''}`;
  if (format === 'parquet') return `copy (${select}) to stdout (format binary)`;
  if (format === 'csv') return `copy (${select}) to stdout (format csv, header)`;
  // JSON has no control characters, so this CSV never quotes: a line is the object. The text format would double each
  // backslash. No row_to_json: Citus sends a row to its nodes without the names of the columns.
  return `copy (${select}) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`;
}

/** As text. `date` is the UTC day of the row's time. Null if rows have no time. */
function partitionOf(dataset: Dataset): string[] {
  const { span } = dataset;
  const date = span === undefined ? 'null::text' : `to_char(timezone('UTC', ${span.from}), 'YYYY-MM-DD')`;
  return [`${accountId(dataset)} as "account"`, `${date} as "date"`];
}

function valueOf({ kind, sql }: DatasetColumn, format: ExportFormat, forPeople: boolean): string {
  // Readers of Parquet need a uuid as text, not as bytes.
  if (format === 'parquet') return kind === 'uuid' ? `${sql}::text` : sql;
  if (format === 'ndjson') return sql;
  // PostgreSQL writes t and f, which most readers treat as text.
  if (kind === 'boolean') return `${sql}::text`;
  return kind === 'outside' && forPeople ? escaped(sql) : sql;
}

/**
 * The same characters as in commands that print CSV: = + - @, tab, carriage return, and the full-width forms of the
 * four.
 */
function escaped(sql: string): string {
  return `case when ${sql} ~ '^[=+@\\t\\r\\uFF1D\\uFF0B\\uFF0D\\uFF20-]' then '''' || ${sql} else ${sql} end`;
}

/** Citus cannot join snapshots with a function that asks all nodes. So the snapshots are a constant list. */
function from({ from: tables, isSnapshot }: Dataset, { snapshots }: Rows): string {
  if (isSnapshot !== true) return tables;
  const list = snapshots.map(
    (one) => `(${text(one.account_id)}, ${wholeNumber(one.snapshot_id)}::bigint, ${time(one.observed_at)})`,
  );
  return `(${list.length > 0 ? `values ${list.join(', ')}` : NO_SNAPSHOT}) s(account_id, snapshot_id, observed_at) ${tables}`;
}

const NO_SNAPSHOT = 'select null::text, null::bigint, null::timestamptz limit 0';

function accountId({ account }: Dataset): string {
  return `${account ?? 'a'}.account_id`;
}

function where(dataset: Dataset, rows: Rows): string {
  const { span } = dataset;
  const conditions = [
    ...chosen(dataset, rows),
    ...written(dataset, rows.after),
    ...(span === undefined || rows.since === null ? [] : [notBefore(span, rows.since)]),
    ...(span === undefined || rows.until === null ? [] : [`${span.from} < ${literal(rows.until)}`]),
  ];
  return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
}

/**
 * A look-up for each row, because Citus cannot join a list with a view of level_changes. Accounts that are not in the
 * list have no rows.
 */
function written(dataset: Dataset, after: After): string[] {
  if (typeof after === 'number') return after > 0 ? [`${dataset.stamp} > ${wholeNumber(after)}`] : [];
  const values = Object.fromEntries(after.map((one) => [one.accountId, one.after]));
  return [`${dataset.stamp} > (${text(JSON.stringify(values))}::jsonb ->> ${accountId(dataset)})::bigint`];
}

/** By the key if the table has one: then Citus asks only the nodes of these accounts. */
function chosen(dataset: Dataset, { accounts, after }: Rows): string[] {
  const ids = typeof after === 'number' ? null : new Set(after.map((one) => one.accountId));
  if (accounts === null || dataset.isSnapshot === true) return [];
  const wanted = accounts.filter((one) => ids === null || ids.has(one.account_id));
  return dataset.account === undefined
    ? [`a.account_key in (${wanted.map((one) => wholeNumber(one.account_key)).join(', ')})`]
    : [`${accountId(dataset)} in (${wanted.map((one) => text(one.account_id)).join(', ')})`];
}

/** A period does not include the instant at which it ends. */
function notBefore({ from, to }: { from: string; to: string }, since: Date): string {
  return from === to ? `${from} >= ${literal(since)}` : `(${to} is null or ${to} > ${literal(since)})`;
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error('not a whole number');
  return String(value);
}

function literal(at: Date): string {
  return `'${at.toISOString()}'::timestamptz`;
}

/** The format of PostgreSQL, in UTC. */
function time(at: string): string {
  return `${text(at)}::timestamptz`;
}

/** Every transaction pins standard_conforming_strings. */
function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
