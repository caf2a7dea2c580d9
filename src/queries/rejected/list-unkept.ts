// How many rejected records were only counted, by account and reason, in the newest walk over all pages. The highest
// counts first.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts } from '../../db/schema.ts';
import { notKeptByReason } from './waiting-records.ts';

export type Unkept = { account_id: string; reason: string; records: number };

export async function listUnkept(
  db: Db,
  { accountKeys }: { accountKeys?: readonly number[] },
): Promise<Unkept[]> {
  const { rows } = await on(db).execute<Unkept>(sql`
    select a.account_id, counted.reason, counted.records::integer as records
      from ${accounts} a cross join lateral (${notKeptByReason(sql`a.account_key`)}) counted
     where ${accountKeys === undefined ? sql`true` : sql`a.account_key = any (${sql.param([...accountKeys])}::integer[])`}
     order by a.account_key, records desc, counted.reason`);
  return rows;
}
