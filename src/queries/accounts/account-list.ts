// The accounts of the history, as people and other programs see them.
import { sql } from 'drizzle-orm';
import type { Question } from '../question.ts';

export type ListedAccount = {
  account_id: string;
  /** The label, or the id if there is no label. */
  account_label: string;
  is_retired: boolean;
  added_at: string;
};

/** In the order in which they were added. */
export function accountList(): Question<ListedAccount> {
  return {
    statement: sql`
      select account_id, account_label, is_retired, added_at
        from risk_bi.accounts
       order by added_at, account_id`,
  };
}
