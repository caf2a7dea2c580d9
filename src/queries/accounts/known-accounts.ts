// Every account in this database, with the time span of its snapshots.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts as a, snapshots as s } from '../../db/schema.ts';

export type KnownAccount = {
  account_key: number;
  account_id: string;
  label: string | null;
  retired_at: Date | null;
  /** The first and the newest snapshot. Null before the first. */
  first_at: Date | null;
  newest_at: Date | null;
};

export async function knownAccounts(db: Db): Promise<KnownAccount[]> {
  const { rows } = await on(db).execute<Record<keyof KnownAccount, string | number | null>>(sql`
    select ${a.account_key}, ${a.account_id}, ${a.label}, ${a.retired_at},
           (select min(${s.observed_at}) from ${s} where ${s.account_key} = ${a.account_key}) as first_at,
           (select max(${s.observed_at}) from ${s} where ${s.account_key} = ${a.account_key}) as newest_at
      from ${a} order by ${a.account_key}`);
  // Drizzle returns the timestamps of raw SQL as Postgres' text.
  const date = (value: string | number | null) => (value === null ? null : new Date(value));
  return rows.map((row) => ({
    ...(row as unknown as KnownAccount),
    retired_at: date(row.retired_at),
    first_at: date(row.first_at),
    newest_at: date(row.newest_at),
  }));
}
