// Since when each part of the history is whole, if old rows were deleted.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts as a, retention as t } from '../../db/schema.ts';

export type WholePart = { account_id: string; label: string | null; dataset: string; whole_since: Date };

export async function wholeParts(db: Db): Promise<WholePart[]> {
  const { rows } = await on(db).execute<Omit<WholePart, 'whole_since'> & { whole_since: string }>(sql`
    select ${a.account_id}, ${a.label}, ${t.dataset}, ${t.whole_since}
      from ${t} join ${a} on ${a.account_key} = ${t.account_key} order by ${a.account_key}, ${t.dataset}`);
  return rows.map((row) => ({ ...row, whole_since: new Date(row.whole_since) }));
}
