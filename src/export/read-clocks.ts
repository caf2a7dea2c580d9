// How far the history is written, and which history it is: one clock for all accounts, or one for each account in a
// distributed history.
import { sql } from 'drizzle-orm';
import { setLocal } from '../db/sql/set-local.ts';
import type { Transaction } from '../db/transaction.ts';

export type FeedClock = {
  /** Null: the clock of all accounts. */
  accountId: string | null;
  feedId: number;
  epoch: string;
  /** Epochs that this history continues, each with the value up to which it is valid: risk_bi.feed_epochs. */
  earlier: ReadonlyMap<string, number>;
};

/** One clock of all accounts. In a distributed history, one for each account, and none without accounts. */
export type Feed = readonly FeedClock[];

type ClockRow = { account_id: string | null; feed_id: number; epoch: string };
type EpochRow = { account_id: string | null; epoch: string; good_up_to: number };

/**
 * `accountIds` null: all accounts. Read it first in the transaction that reads the rows.
 *
 * Each connection of Citus to a node sees the history as of its first statement, so each node gets one connection. Then
 * the clock of an account and its rows are from the same instant.
 */
export async function readFeed(tx: Transaction, accountIds: readonly string[] | null): Promise<Feed> {
  await tx.execute(sql.raw(setLocal('citus.max_adaptive_executor_pool_size = 1')));
  const clocks = await tx.execute<ClockRow>(
    sql`select account_id, feed_id::float8 as feed_id, epoch from risk_bi.feed_clock order by account_id`,
  );
  const epochs = await tx.execute<EpochRow>(
    sql`select account_id, epoch, good_up_to::float8 as good_up_to from risk_bi.feed_epochs`,
  );
  const earlier = Map.groupBy(epochs.rows, ({ account_id }) => account_id);
  const isWanted = ({ account_id }: ClockRow) =>
    account_id === null || accountIds === null || accountIds.includes(account_id);
  return clocks.rows.filter(isWanted).map(({ account_id, feed_id, epoch }) => ({
    accountId: account_id,
    feedId: feed_id,
    epoch,
    earlier: new Map((earlier.get(account_id) ?? []).map((one) => [one.epoch, one.good_up_to])),
  }));
}

/** The clock of all accounts; null in a distributed history. */
export function onlyClock(feed: Feed): FeedClock | null {
  return feed.find(({ accountId }) => accountId === null) ?? null;
}
