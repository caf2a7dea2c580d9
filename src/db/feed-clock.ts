// Hands out the values that readers remember as a watermark: `snapshot_id` and `feed_id`. The lock of the clock's row
// is held until the transaction ends, so that values rise in commit order. Only this file knows which row that is.
import { randomUUID } from 'node:crypto';
import { and, eq, sql, type SQL } from 'drizzle-orm';
import { columnNames } from './sql/column-names.ts';
import { inline, whole } from './sql/inline-sql.ts';
import { DEFAULT_LIMITS, limitsOf, type Transaction, type TransactionLimits } from './transaction.ts';
import { OperatorError } from '../errors.ts';
import {
  accountKeys as k,
  accounts as a,
  accountWriters as w,
  epochs,
  feedClock,
  snapshots as s,
  syncRuns as r,
  users as u,
} from './schema.ts';

/** A person waits: an account may be loading a million users for the first time, which takes half a minute. */
export const CLOCK_WAIT_MS = 300_000;
/**
 * For a transaction that is cancelled when its run is told to stop, or is out of time. A limit of its own would fail
 * the last transaction of a long queue, although nothing is wrong.
 */
export const UNTIL_CANCELLED = 0;
/** The driver's own limit is shorter than a queue may be. Cancelling also ends the wait on a dead connection. */
const DRIVER_WAIT_MS = 24 * 3_600_000;

/**
 * The next value. Take it as late as possible. Until the transaction ends, no other transaction gets a value. So it
 * must be the last lock, and all accounts wait during every round trip from here to COMMIT. A transaction that waits
 * for the clock should hold no lock that others need. `waitMs`: the longest wait. `limits` hold afterwards.
 */
export async function takeFeedValue(
  tx: Transaction,
  accountKey: number,
  { waitMs = CLOCK_WAIT_MS, limits = DEFAULT_LIMITS }: { waitMs?: number; limits?: TransactionLimits } = {},
): Promise<number> {
  const last = columnNames(feedClock.last_snapshot_id);
  const tick = sql`update ${feedClock} set ${last} = ${feedClock.last_snapshot_id} + 1 where ${theClock(accountKey)}
    returning ${last}::float8 as value, place as was`;
  // A statement of its own: a distributed table allows no volatile function in an UPDATE. It reads from the row, so
  // that the node that holds the row answers.
  const place = sql`select risk_internal.history_place() as place from ${feedClock} where ${theClock(accountKey)}`;
  const patience = limitsOf({ ...limits, lockMs: waitMs, statementMs: waitMs });
  // In one round trip. For several statements, pg returns several results. Its types do not know this.
  const results = (await tx.$client.query({
    text: `${patience}; ${QUEUE}; ${inline(tick)}; ${inline(place)}; ${limitsOf(limits)}`,
    ...(waitMs === UNTIL_CANCELLED ? { query_timeout: DRIVER_WAIT_MS } : {}),
  })) as { command: string; rows: (ClockTick & Place)[] }[];
  const row = results.find(({ command }) => command === 'UPDATE')?.rows[0];
  const here = results.find(({ command }) => command === 'SELECT')?.rows[0];
  if (row === undefined) throw new Error('the feed clock has no row');
  await notePlace(tx, accountKey, row, here?.place ?? null);
  return row.value;
}

// Sessions that wait for a row are woken in any order (measured: the fourth of fifty was last). Sessions that wait for
// a lock on a table keep their turn. This mode keeps out only VACUUM and sessions that ask for the same mode. A
// distributed history has a clock per account and no queue: there, a lock on the table would be a lock on all nodes.
const QUEUE = `do $$ begin
  if risk_internal.feed_clock_key(1) = 0 then
    lock table risk_internal.feed_clock in share update exclusive mode;
  end if;
end $$`;

type ClockTick = { value: number; was: string | null };
type Place = { place: string | null };

/**
 * After a restore, a copy or a failover, the same values may be given to other rows. So the first writer in a new place
 * begins a new epoch. The new epoch continues the old one up to the value before its own.
 */
async function notePlace(
  tx: Transaction,
  accountKey: number,
  { value, was }: ClockTick,
  here: string | null,
): Promise<void> {
  if (here === null || here === was) return;
  if (was !== null) await beginEpoch(tx, accountKey, 'moved', value - 1);
  await tx.update(feedClock).set({ place: here }).where(theClock(accountKey));
}

/** The lock of the clock's row must be held. */
export async function beginEpoch(
  tx: Transaction,
  accountKey: number,
  reason: 'copied' | 'moved',
  beganAfter: number,
): Promise<void> {
  const [clock] = await tx
    .select({ key: feedClock.account_key, epoch: feedClock.epoch })
    .from(feedClock)
    .where(theClock(accountKey));
  if (clock === undefined) throw new Error('the feed clock has no row');
  const { key, epoch: previous } = clock;
  const earlier = await tx
    .select()
    .from(epochs)
    .where(and(eq(epochs.account_key, key), eq(epochs.epoch, previous)));
  const continued = new Map([[previous, beganAfter]]);
  for (const { previous_epoch, began_after } of earlier)
    continued.set(
      previous_epoch,
      Math.min(began_after, beganAfter, continued.get(previous_epoch) ?? Infinity),
    );
  const epoch = randomUUID();
  await tx.insert(epochs).values(
    [...continued].map(([previous_epoch, began_after]) => ({
      account_key: key,
      epoch,
      previous_epoch,
      began_after,
      began_at: sql`now()`,
      reason,
    })),
  );
  await tx.update(feedClock).set({ epoch }).where(theClock(accountKey));
}

/** The key of the clock that serves all accounts of one PostgreSQL. */
export const ALL_ACCOUNTS = 0;

/** The row that serves the account. The database knows which one, so both kinds of database get the same statements. */
export function theClock(accountKey: number): SQL {
  return sql`${feedClock.account_key} = ${clockKey(accountKey)}`;
}

function clockKey(accountKey: number): SQL {
  return sql`risk_internal.feed_clock_key(${whole(accountKey)})`;
}

/** On a distributed history, adds the account's clock. Elsewhere, the one clock exists already. */
export async function startClock(tx: Transaction, accountKey: number): Promise<void> {
  const f = feedClock;
  await tx.execute(
    sql`insert into ${f} (${columnNames(f.account_key, f.last_snapshot_id)}) 
      select ${whole(accountKey)}, 0 where ${clockKey(accountKey)} = ${whole(accountKey)} on conflict do nothing`,
  );
}

/**
 * The counters that are behind the tables. If any is, the history was copied here without them, by logical replication
 * or by a dump of only schema `risk`. A few index lookups. `accountKey` null: an account that is about to be added.
 */
export async function countersBehind(tx: Transaction, accountKey: number | null): Promise<string[]> {
  // For several statements, pg returns several results. The types of Drizzle do not know this.
  const asked = await tx.execute<Heights & Given>(
    sql.raw(
      accountKey === null
        ? `${inline(heightsOfAll())}; ${GIVEN}, (select count(*)::float8 from ${inline(sql`${k}`)}) as named`
        : `${inline(heightsOf(accountKey))}; ${GIVEN}, null as named`,
    ),
  );
  const [tables, counters] = [asked].flat().map(({ rows }) => rows[0]);
  if (tables === undefined || counters === undefined) throw new Error('a select without a row');
  // Null if the role may not see it; null counts as not behind.
  const isBehind = (given: number | null, highest: number | null) => given !== null && given < (highest ?? 0);
  return [
    ...(tables.clock ? ['feed clock'] : []),
    ...(isBehind(counters.keys, tables.key) || isBehind(counters.named, tables.accounts)
      ? ['account keys']
      : []),
    ...(isBehind(counters.runs, tables.run) ? ['run ids'] : []),
    ...(tables.users ? ['user keys'] : []),
  ];
}

/** What the tables hold: a clock or user keys that are behind, the number of accounts, the highest keys. */
type Heights = {
  clock: boolean;
  users: boolean;
  accounts: number | null;
  key: number | null;
  run: number | null;
};
type Given = { keys: number | null; runs: number | null; named: number | null };

/**
 * One statement sees one state, in which a counter of a live history is never behind. In a distributed history, one
 * node holds everything that it reads.
 */
function heightsOf(accountKey: number): SQL {
  const key = whole(accountKey);
  return sql`select ${clockBehind(accountKey)} as clock,
    coalesce((select ${w.last_user_key} from ${w} where ${w.account_key} = ${key}), 0)
      < (select max(${u.user_key}) from ${u} where ${u.account_key} = ${key}) as users,
    null as accounts, ${key} as key,
    (select max(${r.run_id})::float8 from ${r} where ${r.account_key} = ${key}) as run`;
}

/** In a distributed history, a new account has no clock yet, so nothing can be behind. */
function heightsOfAll(): SQL {
  return sql`select ${clockKey(1)} = ${whole(ALL_ACCOUNTS)} and ${clockBehind(ALL_ACCOUNTS)} as clock, false as users,
    (select count(*)::float8 from ${a}) as accounts,
    (select max(${a.account_key}) from ${a}) as key, null as run`;
}

/** Over the accounts that the clock serves. */
function clockBehind(accountKey: number): SQL {
  const isServed = (table: typeof r | typeof a | typeof s) =>
    sql`(${clockKey(accountKey)} = ${whole(ALL_ACCOUNTS)} or ${table.account_key} = ${whole(accountKey)})`;
  return sql`coalesce((select ${feedClock.last_snapshot_id} from ${feedClock} where ${theClock(accountKey)}), -1) < greatest(0,
    (select max(${r.feed_id}) from ${r} where ${isServed(r)}),
    (select max(${a.feed_id}) from ${a} where ${isServed(a)}),
    (select max(${s.snapshot_id}) from ${s} where ${isServed(s)}))`;
}

/**
 * Read after the tables, so never behind those of a live history. This also holds for the directory: on a distributed
 * history, one statement may see the nodes at different instants. Inserting into an identity column needs no right to
 * its sequence.
 */
const GIVEN = `select ${given('risk_internal.account_keys_account_key_seq')} as keys, ${given('risk_internal.run_ids')} as runs`;

function given(sequence: string): string {
  return `(select case when has_sequence_privilege(oid, 'select, usage') then coalesce(pg_sequence_last_value(oid), 0) end::float8
    from (select '${sequence}'::regclass::oid) sequence)`;
}

/** Throws HISTORY_COPIED before it writes anything with a number that was given before. */
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
