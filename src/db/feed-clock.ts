// Hands out the values that readers remember as a watermark: `snapshot_id` and `feed_id`. The lock of the clock's row is
// held until the transaction ends, so that values rise in commit order. The only place that knows which row that is.
import { eq, sql, type SQL } from 'drizzle-orm';
import { columnNames } from './column-names.ts';
import { inline, whole } from './inline-sql.ts';
import { feedClock } from './schema.ts';
import type { Transaction } from './transaction.ts';

/**
 * An account may be loading a million users for the first time, which takes half a minute. Whoever waits for the clock
 * should hold no lock that others need.
 */
const CLOCK_WAIT_MS = 300_000;

/**
 * The next value. Take it as late as possible: until the transaction ends, nobody else gets one, so it must be the last
 * lock. Sets `lock_timeout` and `statement_timeout` of the transaction to `waitMs`.
 */
export async function takeFeedValue(tx: Transaction, waitMs = CLOCK_WAIT_MS): Promise<number> {
  const last = columnNames(feedClock.last_snapshot_id);
  const tick = sql`update ${feedClock} set ${last} = ${feedClock.last_snapshot_id} + 1 where ${theClock()} returning ${last}::float8 as value`;
  // In one round trip. For several statements, pg returns several results. The types of Drizzle do not know this.
  const limits = `set local lock_timeout = ${waitMs}; set local statement_timeout = ${waitMs}`;
  const results = [await tx.execute<{ value: number }>(sql.raw(`${limits}; ${inline(tick)}`))].flat();
  const value = results.at(-1)?.rows[0]?.value;
  if (value === undefined) throw new Error('the feed clock has no row');
  return value;
}

/** One clock serves all accounts. Still, every statement names its row: a distributed history has one per account. */
export function theClock(): SQL {
  return eq(feedClock.id, whole(1));
}
