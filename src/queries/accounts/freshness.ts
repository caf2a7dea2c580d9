// How old the newest snapshots are, over all accounts that are not retired: for a probe that anybody may ask, so it names none.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { accounts, snapshots } from '../../db/schema.ts';

export type Freshness = {
  accounts: number;
  /** Of them, those without a snapshot as young as `staleAfterMs`. */
  stale: number;
  /** Null when no account has a snapshot. By the database's clock. */
  oldest_snapshot_age_seconds: number | null;
};

/** max() goes by the index to one entry for each account. */
export async function freshness(pool: Pool, staleAfterMs: number): Promise<Freshness> {
  // Not a Drizzle select: of one table it writes columns without their table, and the inner ones would mean themselves.
  const { rows } = await drizzle(pool).execute<{ age: number | null }>(sql`
    select (select extract(epoch from now() - max(${snapshots.observed_at}))::float8 from ${snapshots}
             where ${snapshots.account_key} = ${accounts.account_key}) as age
      from ${accounts} where ${accounts.retired_at} is null`);
  const ages = rows.flatMap(({ age }) => (age === null ? [] : [age]));
  return {
    accounts: rows.length,
    stale: rows.length - ages.filter((age) => age * 1000 <= staleAfterMs).length,
    oldest_snapshot_age_seconds: ages.length === 0 ? null : Math.round(Math.max(...ages)),
  };
}
