// A query of risk_bi: one statement. Pages show the same statement to people, who can run it unchanged.
import { sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../db/handle.ts';
import { writtenOut } from '../db/sql/inline-sql.ts';

/**
 * `Row`: instants are ISO 8601 in UTC with all their digits. A bigint is text, unless the statement casts it.
 */
export type Question<Row extends Record<string, unknown>> = {
  readonly statement: SQL;
  /** Only carries a type. */
  readonly row?: Row;
};

/** A question with its answer. */
export type Answered<Row extends Record<string, unknown>> = { question: Question<Row>; rows: Row[] };

const TIMESTAMPTZ = 1184;

export async function answerTo<Row extends Record<string, unknown>>(
  db: Db,
  { statement }: Question<Row>,
): Promise<Row[]> {
  const { rows, fields } = await on(db).execute(statement);
  const instants = fields.flatMap(({ name, dataTypeID }) => (dataTypeID === TIMESTAMPTZ ? [name] : []));
  for (const row of rows)
    for (const name of instants) {
      const text = row[name];
      // The session's time zone is UTC: "2026-03-01 09:00:00.25+00".
      if (typeof text === 'string') row[name] = text.replace(' ', 'T').replace('+00', 'Z');
    }
  return rows as Row[];
}

export async function answered<Row extends Record<string, unknown>>(
  db: Db,
  question: Question<Row>,
): Promise<Answered<Row>> {
  return { question, rows: await answerTo(db, question) };
}

/** The statement with its values in place, for psql or a BI tool. Never build a question with personal data in it. */
export function runnable({ statement }: Question<Record<string, unknown>>): string {
  return `${outdent(writtenOut(statement))};`;
}

/** A condition on a column `account_id`; null means all accounts. */
export function ofAccounts(accountIds: readonly string[] | null, column: SQL = sql`account_id`): SQL {
  if (accountIds === null) return sql`true`;
  const ids = accountIds.map((id) => sql`${id}`);
  return sql`${column} in (${sql.join(ids, sql`, `)})`;
}

/**
 * The same, but null means all accounts that are not retired, as in today's totals. OFFSET 0 makes Citus read the
 * accounts first. It would otherwise try to join them by id, which it cannot.
 */
export function ofLiving(accountIds: readonly string[] | null): SQL {
  return accountIds === null
    ? sql`account_id in (select account_id from risk_bi.accounts where not is_retired offset 0)`
    : ofAccounts(accountIds);
}

/** The same for `risk.accounts a`: in a distributed history, only a join by account_key stays on one node. */
export function ofLivingRows(accountIds: readonly string[] | null): SQL {
  return accountIds === null ? sql`a.retired_at is null` : ofAccounts(accountIds, sql`a.account_id`);
}

/** The argument `account_ids` of a function; null means all accounts. */
export function idsArgument(accountIds: readonly string[] | null): SQL {
  if (accountIds === null) return sql`null::text[]`;
  const ids = accountIds.map((id) => sql`${id}`);
  return sql`array[${sql.join(ids, sql`, `)}]::text[]`;
}

/** Without empty lines at both ends, and without the common indentation of all lines after the first. */
function outdent(text: string): string {
  const lines = text.trim().split('\n');
  const indents = lines.slice(1).flatMap((line) => (line.trim() === '' ? [] : [line.search(/\S/)]));
  const shared = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return lines.map((line, at) => (at === 0 ? line : line.slice(Math.min(shared, line.length)))).join('\n');
}
