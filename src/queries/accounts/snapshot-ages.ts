// How old the newest snapshots of all accounts are, without the retired ones. For a probe that anyone may call, so it
// names no account.
import { sql } from 'drizzle-orm';
import { accounts, snapshots } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';

export type SnapshotAges = {
  accounts: number;
  /** Accounts without a snapshot, or with one older than `staleAfterMs`. */
  stale: number;
  /** Null if no account has a snapshot. By the database's clock. */
  oldest_snapshot_age_seconds: number | null;
};

/** max() reads one index entry per account. */
export async function snapshotAges(tx: Transaction, staleAfterMs: number): Promise<SnapshotAges> {
  // Not a Drizzle select: for a single table it writes columns without their table, and both sides of the inner
  // condition would mean the same column.
  const { rows } = await tx.execute<{ age: number | null }>(sql`
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
