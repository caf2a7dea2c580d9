// The parts of the history that are whole only from a time after the span's begin: rows may be missing from an answer
// about that span.
import { sql } from 'drizzle-orm';
import type { Prunable } from '../../retention.ts';
import { ofAccounts, type Question } from '../question.ts';

export type DeletedSince = { account_id: string; dataset: Prunable; whole_since: string };

/** `accountIds` null: all accounts. */
export function deletedSince(
  accountIds: readonly string[] | null,
  from: Date,
  parts: readonly Prunable[],
): Question<DeletedSince> {
  return {
    statement: sql`
      select account_id, dataset, whole_since
        from risk_bi.retention
       where ${ofAccounts(accountIds)} and whole_since > ${from.toISOString()}::timestamptz
         and dataset in (${sql.join(
           parts.map((part) => sql`${part}`),
           sql`, `,
         )})
       order by account_id, dataset`,
  };
}
