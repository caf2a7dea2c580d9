// Hands out the values that readers remember as a watermark: `snapshot_id` and `feed_id`. The lock of the clock's row is
// held until the transaction ends, so that values rise in commit order. The only place that knows which row that is.
import { randomUUID } from 'node:crypto';
import { eq, sql, type SQL } from 'drizzle-orm';
import { columnNames } from './sql/column-names.ts';
import { inline, whole } from './sql/inline-sql.ts';
import { DEFAULT_LIMITS, setLocal, type Transaction, type TransactionLimits } from './transaction.ts';
import { OperatorError } from '../errors.ts';
import {
  accounts as a,
  accountWriters as w,
  epochs,
  feedClock,
  snapshots as s,
  syncRuns as r,
  users as u,
} from './schema.ts';

/** A person waits: an account may be loading a million users for the first time, which takes half a minute. */
const CLOCK_WAIT_MS = 300_000;
/**
 * For a transaction that is cancelled when its run is told to stop, or is out of time. A limit of its own would fail the
 * last one of a long queue, although nothing is wrong.
 */
export const UNTIL_CANCELLED = 0;
/** The driver's own limit is shorter than a queue may be. Cancelling ends the wait on a dead connection, too. */
const DRIVER_WAIT_MS = 24 * 3_600_000;

/**
 * The next value. Take it as late as possible: until the transaction ends, nobody else gets one, so it must be the last
 * lock, and every round trip from here to COMMIT is waited for by all accounts. Whoever waits for the clock should hold
 * no lock that others need. `waitMs`: how long to wait at most. `limits` hold afterwards.
 */
export async function takeFeedValue(
  tx: Transaction,
  { waitMs = CLOCK_WAIT_MS, limits = DEFAULT_LIMITS }: { waitMs?: number; limits?: TransactionLimits } = {},
): Promise<number> {
  const last = columnNames(feedClock.last_snapshot_id);
  const tick = sql`update ${feedClock} set ${last} = ${feedClock.last_snapshot_id} + 1 where ${theClock()}
    returning ${last}::float8 as value, place as was`;
  const patience = setLocal({ ...limits, lockMs: waitMs, statementMs: waitMs });
  // In one round trip. For several statements, pg returns several results. Its types do not know this.
  const results = (await tx.$client.query({
    text: `${patience}; ${QUEUE}; ${inline(tick)}; ${ASK_PLACE}; ${setLocal(limits)}`,
    ...(waitMs === UNTIL_CANCELLED ? { query_timeout: DRIVER_WAIT_MS } : {}),
  })) as { command: string; rows: (Tick & Place)[] }[];
  const row = results.find(({ command }) => command === 'UPDATE')?.rows[0];
  const here = results.find(({ command }) => command === 'SELECT')?.rows[0];
  if (row === undefined) throw new Error('the feed clock has no row');
  await notePlace(tx, row, here?.place ?? null);
  return row.value;
}

// Whoever waits for a row is woken in any order (measured: the fourth of fifty came last). Whoever waits for a lock on
// a table keeps their turn. This mode keeps out only others who ask for it, and VACUUM. A distributed history has a
// clock per account and no queue; there, a lock on the table would be one on all nodes.
const QUEUE = `do $$ begin
  if not exists (select from pg_extension where extname = 'citus') then
    lock table risk_internal.feed_clock in share update exclusive mode;
  end if;
end $$`;

type Tick = { value: number; was: string | null };
type Place = { place: string | null };
// A statement of its own: a distributed table allows no volatile function in an UPDATE.
const ASK_PLACE = 'select risk_internal.history_place() as place';

/**
 * After a restore, a copy or a failover, the same values may be given to other rows. So the first writer in a new place
 * begins a new epoch. It continues the old one up to the value before its own.
 */
async function notePlace(tx: Transaction, { value, was }: Tick, here: string | null): Promise<void> {
  if (here === null || here === was) return;
  if (was !== null) await beginEpoch(tx, 'moved', value - 1);
  await tx.update(feedClock).set({ place: here }).where(theClock());
}

/** The lock of the clock's row must be held. */
export async function beginEpoch(
  tx: Transaction,
  reason: 'copied' | 'moved',
  beganAfter: number,
): Promise<void> {
  const [clock] = await tx.select({ epoch: feedClock.epoch }).from(feedClock).where(theClock());
  if (clock === undefined) throw new Error('the feed clock has no row');
  const epoch = randomUUID();
  await tx.insert(epochs).values({
    epoch,
    previous_epoch: clock.epoch,
    began_after: beganAfter,
    began_at: sql`now()`,
    reason,
  });
  await tx.update(feedClock).set({ epoch }).where(theClock());
}

/** One clock serves all accounts. Still, every statement names its row: a distributed history has one per account. */
export function theClock(): SQL {
  return eq(feedClock.id, whole(1));
}

/**
 * The counters that are behind the tables: then the history was copied here without them, by logical replication or by
 * a dump of schema `risk` alone. A few index lookups. One statement sees one state, in which a counter of a live history
 * is never behind. `accountKey` null: an account that is to be added.
 */
export async function countersBehind(tx: Transaction, accountKey: number | null): Promise<string[]> {
  // Null, so never behind, where the role may not see it: inserting into an identity column needs no right to it.
  const given = (sequence: string) =>
    sql.raw(`(select case when has_sequence_privilege(oid, 'select, usage') then coalesce(pg_sequence_last_value(oid), 0) end
      from (select '${sequence}'::regclass::oid) sequence)`);
  const { rows } = await tx.execute<{ behind: string[] }>(sql`
    select array_remove(array[
      case when coalesce((select ${feedClock.last_snapshot_id} from ${feedClock} where ${theClock()}), -1) < greatest(0,
        (select max(${r.feed_id}) from ${r}), (select max(${a.feed_id}) from ${a}), (select max(${s.snapshot_id}) from ${s}))
        then 'feed clock' end,
      case when ${given('risk.accounts_account_key_seq')} < (select max(${a.account_key}) from ${a}) then 'account keys' end,
      case when ${given('risk_internal.run_ids')} < (select max(${r.run_id}) from ${r} where ${r.account_key} = ${accountKey})
        then 'run ids' end,
      case when coalesce((select ${w.last_user_key} from ${w} where ${w.account_key} = ${accountKey}), 0)
        < (select max(${u.user_key}) from ${u} where ${u.account_key} = ${accountKey}) then 'user keys' end], null) as behind`);
  return rows[0]?.behind ?? [];
}

/** Throws HISTORY_COPIED, before anything is written whose number was given before. */
export async function refuseCopied(tx: Transaction, accountKey: number | null): Promise<void> {
  const behind = await countersBehind(tx, accountKey);
  if (behind.length === 0) return;
  throw new OperatorError({
    code: 'HISTORY_COPIED',
    happened: `These counters are behind the tables of the history: ${behind.join(', ')}`,
    means:
      'The history was copied here without its counters. Numbers would be given twice, and readers would miss rows, so nothing was written',
    todo: COUNTERS_MEND,
  });
}

export const COUNTERS_MEND =
  'Run the SQL in docs/runbook.md, "A history that was copied", once. Then sync again';
