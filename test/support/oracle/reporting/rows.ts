// Rows of risk_bi as an oracle writes them: objects by column, instants and spans as microseconds in text, dates as
// text.
import type { PoolClient } from '../../../../src/db/pool.ts';
import type { Row } from './past.ts';

type Column = { column_name: string; data_type: string };

/** All rows of a view, or those that meet a condition. `call`: a function with the view's columns. */
export async function readView(
  client: PoolClient,
  view: string,
  where = 'true',
  call = view,
): Promise<Row[]> {
  const { rows: columns } = await client.query<Column>(
    `select column_name, data_type from information_schema.columns where table_schema = 'risk_bi' and table_name = $1`,
    [view],
  );
  if (columns.length === 0) throw new Error(`no view ${view}`);
  return read(client, columns, `risk_bi.${call} where ${where}`);
}

export async function readFunction(
  client: PoolClient,
  call: string,
  columns: Record<string, string>,
  values: readonly unknown[],
): Promise<Row[]> {
  const list = Object.entries(columns).map(([column_name, data_type]) => ({ column_name, data_type }));
  return read(client, list, `risk_bi.${call}`, values);
}

const TYPES: Record<number, string> = {
  1082: 'date',
  1184: 'timestamp with time zone',
};

/** The rows of a query that is read as a subquery, because BI tools do that. */
export async function readQuery(client: PoolClient, sql: string): Promise<Row[]> {
  const { fields } = await client.query(`select * from (\n${sql}\n) q limit 0`);
  const columns = fields.map(({ name, dataTypeID }) => ({
    column_name: name,
    data_type: TYPES[dataTypeID] ?? '',
  }));
  return read(client, columns, `(\n${sql}\n) q`);
}

async function read(
  client: PoolClient,
  columns: readonly Column[],
  from: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const list = columns.map(
    ({ column_name, data_type }) => `${spelled(column_name, data_type)} as "${column_name}"`,
  );
  return (await client.query<Row>(`select ${list.join(', ')} from ${from}`, [...values])).rows;
}

function spelled(name: string, type: string): string {
  if (type === 'timestamp with time zone') return `(extract(epoch from "${name}") * 1000000)::bigint::text`;
  return type === 'date' ? `"${name}"::text` : `"${name}"`;
}

/** Both as sorted lines, with different lines first; null: they are equal. */
export function difference(actual: readonly Row[], expected: readonly Row[]): string | null {
  const line = (row: Row) => JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const found = actual.map(line).toSorted();
  const wanted = expected.map(line).toSorted();
  if (found.length === wanted.length && found.every((text, index) => text === wanted[index])) return null;
  const there = new Set(found);
  const asked = new Set(wanted);
  const surplus = found.filter((text) => !asked.has(text)).slice(0, 3);
  const lacking = wanted.filter((text) => !there.has(text)).slice(0, 3);
  return `${found.length} rows, expected ${wanted.length}\nonly in the database:\n  ${surplus.join('\n  ')}\nonly in the oracle:\n  ${lacking.join('\n  ')}`;
}
