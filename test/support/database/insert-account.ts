// An account without a run, as if it had been added: its key, and its row.
import type { Pool, PoolClient } from '../../../src/db/pool.ts';

/** Returns account_key. Takes no value of the feed clock. */
export async function insertAccount(
  db: Pool | PoolClient,
  accountId: string,
  label: string | null = null,
): Promise<number> {
  const { rows } = await db.query<{ key: number }>(
    'insert into risk_internal.account_keys (account_id) values ($1) returning account_key as key',
    [accountId],
  );
  const { key } = rows[0]!;
  await db.query(
    'insert into risk.accounts (account_key, account_id, label, feed_id) values ($1, $2, $3, 0)',
    [key, accountId, label],
  );
  // A distributed history has a clock for each account.
  await db.query(
    'insert into risk_internal.feed_clock (account_key, last_snapshot_id) select $1::integer, 0 where risk_internal.feed_clock_key($1::integer) = $1 on conflict do nothing',
    [key],
  );
  return key;
}
