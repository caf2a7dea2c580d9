// The health of one account: its newest snapshot, failed runs since the last success, and what the newest walks found.
// Reads only schema `risk`.
import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import { keeps } from '../../db/sql/evidence-sql.ts';
import { accounts, snapshots, syncRuns, users } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { readEvidence, type Evidence } from '../../evidence.ts';
import { failuresSince } from './failures-since.ts';

export type AccountHealth = {
  accountKey: number;
  isRetired: boolean;
  /** Null: no snapshot yet. `ageMs` is by the database's clock. */
  snapshot: { snapshotId: number; ageMs: number } | null;
  /** Runs without success since the newest success. */
  failuresSince: number;
  newestRun: {
    runId: number;
    status: string;
    errorCode: string | null;
    errorMessage: string | null;
    ageMs: number;
  } | null;
};

/** Accounts that are not retired, in the order in which they were added. */
export async function activeAccounts(tx: Transaction): Promise<string[]> {
  const rows = await tx
    .select({ id: accounts.account_id })
    .from(accounts)
    .where(isNull(accounts.retired_at))
    .orderBy(accounts.account_key);
  return rows.map(({ id }) => id);
}

/** Null if the database does not know the account. */
export async function accountHealth(tx: Transaction, accountId: string): Promise<AccountHealth | null> {
  const age = (at: typeof snapshots.observed_at | typeof syncRuns.finished_at) =>
    sql<number>`extract(epoch from now() - ${at})::float8 * 1000`;
  const [account] = await tx.select().from(accounts).where(eq(accounts.account_id, accountId));
  if (account === undefined) return null;
  const accountKey = account.account_key;
  const [snapshot] = await tx
    .select({ snapshotId: snapshots.snapshot_id, ageMs: age(snapshots.observed_at) })
    .from(snapshots)
    .where(eq(snapshots.account_key, accountKey))
    .orderBy(desc(snapshots.observed_at))
    .limit(1);
  const [newestRun] = await tx
    .select({
      runId: syncRuns.run_id,
      status: syncRuns.status,
      errorCode: syncRuns.error_code,
      errorMessage: syncRuns.error_message,
      ageMs: age(syncRuns.finished_at),
    })
    .from(syncRuns)
    .where(eq(syncRuns.account_key, accountKey))
    .orderBy(desc(syncRuns.run_id))
    .limit(1);
  const { rows } = await tx.execute<{ count: number }>(sql`select ${failuresSince(accountKey)} as count`);
  return {
    accountKey,
    isRetired: account.retired_at !== null,
    snapshot: snapshot ?? null,
    failuresSince: rows[0]?.count ?? 0,
    newestRun: newestRun ?? null,
  };
}

export type EndedWalk = {
  runId: number;
  pages: number;
  passes: number;
  usersMet: number;
  evidence: Evidence;
};

/** The newest runs with a finished walk, newest first. */
export async function newestWalks(tx: Transaction, accountKey: number, limit: number): Promise<EndedWalk[]> {
  const walks = await tx
    .select({
      runId: syncRuns.run_id,
      pages: syncRuns.pages,
      passes: syncRuns.passes,
      usersMet: syncRuns.users_met,
      evidence: syncRuns.evidence,
    })
    .from(syncRuns)
    .where(and(eq(syncRuns.account_key, accountKey), keeps(syncRuns.evidence, 'paging')))
    .orderBy(desc(syncRuns.run_id))
    .limit(limit);
  return walks.map((walk) => ({ ...walk, evidence: readEvidence(walk.evidence) }));
}

/** Present users that the newest walk did not meet. */
export async function countAbsent(tx: Transaction, accountKey: number): Promise<number> {
  const [row] = await tx
    .select({ count: sql<number>`count(*)::integer` })
    .from(users)
    .where(and(eq(users.account_key, accountKey), sql`${users.absent_since} is not null`));
  return row?.count ?? 0;
}
