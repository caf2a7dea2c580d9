// The snapshots of an export of snapshot-users.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';
import type { ChosenAccount, ChosenSnapshot } from './select-rows.ts';

/**
 * The snapshot with this id, or the newest of each account. Its time is text, because a Date would lose microseconds.
 * Throws SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS.
 */
export async function chooseSnapshots(
  tx: Transaction,
  { accounts, snapshotId }: { accounts: readonly ChosenAccount[] | null; snapshotId: number | null },
): Promise<readonly ChosenSnapshot[]> {
  const keys = accounts?.map(({ account_key }) => sql`${account_key}::integer`);
  const whose = keys === undefined ? sql`true` : sql`a.account_key in (${sql.join(keys, sql`, `)})`;
  const newest = sql`s.snapshot_id = (select max(n.snapshot_id) from risk.snapshots n where n.account_key = s.account_key)`;
  const { rows } = await tx.execute<ChosenSnapshot>(sql`
    select a.account_id, s.snapshot_id::float8 as snapshot_id, s.observed_at::text as observed_at
      from risk.snapshots s join risk.accounts a on a.account_key = s.account_key
     where ${whose} and ${snapshotId === null ? newest : sql`s.snapshot_id = ${snapshotId}::bigint`}
     order by a.account_id`);
  if (snapshotId === null) return rows;
  if (rows.length === 0) throw notFound(snapshotId, accounts !== null);
  if (rows.length > 1) throw ambiguous(snapshotId, rows.length);
  return rows;
}

function notFound(id: number, isOfAccount: boolean): OperatorError {
  return new OperatorError({
    code: 'SNAPSHOT_NOT_FOUND',
    happened: `There is no snapshot ${id}${isOfAccount ? ' of this account' : ''}`,
    means: 'Nothing was exported',
    todo: 'Take the id from `zt-risk-sync export snapshots`',
  });
}

function ambiguous(id: number, count: number): OperatorError {
  return new OperatorError({
    code: 'SNAPSHOT_AMBIGUOUS',
    happened: `${count} accounts have a snapshot ${id}`,
    means: 'In a distributed history, each account numbers its own snapshots. Nothing was exported',
    todo: 'Name the account with --account',
  });
}
