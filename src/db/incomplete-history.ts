// The mark of a database that a history is being copied into. It stays until every row has arrived and was compared. It
// is a row in the table of the applied migrations, and every command reads that table before it reads or writes
// anything else. So no command can miss the mark. A command of another version mistakes the row for a migration that it
// does not know, and stops.
import { OperatorError } from '../errors.ts';

const MARK = 'a history is being copied here';

export const SET_MARK = `insert into risk_internal.migrations (hash, created_at)
  values ('${MARK}', floor(extract(epoch from now()) * 1000)::bigint)`;
export const REMOVE_MARK = `delete from risk_internal.migrations where hash = '${MARK}'`;
/** No row: there is no mark. A second copy into the same database fails at once, with 55P03. */
export const HOLD_MARK = `select from risk_internal.migrations where hash = '${MARK}' for update nowait`;

export function isMark({ hash }: { hash: string }): boolean {
  return hash === MARK;
}

export function historyIncomplete(): OperatorError {
  return new OperatorError({
    code: 'HISTORY_INCOMPLETE',
    happened: 'A history is being copied into this database, or a copy was interrupted',
    means: 'Not every row is there yet, so nothing was read or written',
    todo: 'Wait until the copy has ended. If it was interrupted, run the same `database copy` or `database restore` again: it begins anew. To give it up, see docs/runbook.md',
  });
}
