// Finds tables in our schemas without a record of the migrations that made them: such a history was copied without
// schema risk_internal. The migrations would fail in the middle, with a message about a name that exists.
import { OperatorError } from '../errors.ts';
import type { Pool } from './pool.ts';

/** The table of the migrations does not count: it is the record. */
export async function hasTables(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ has: boolean }>(
    `select exists (
       select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('risk', 'risk_internal') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
          and (n.nspname, c.relname) not in (('risk_internal', 'migrations'), ('risk_internal', 'migrations_id_seq'))
     ) as has`,
  );
  return rows[0]?.has === true;
}

export function unrecordedTables(): OperatorError {
  return new OperatorError({
    code: 'HISTORY_COPIED',
    happened:
      'The schema risk or risk_internal holds tables, but the database has no record of the migrations that made them',
    means:
      'The history was copied here without the rows of schema risk_internal, or another program uses these schemas. Nothing was read or written',
    todo: 'For a copy, make an empty database and follow docs/runbook.md, "A history that was copied". Otherwise name another database in DATABASE_URL',
  });
}
