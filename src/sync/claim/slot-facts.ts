// What the database knows about accounts and a slot of the schedule: all that replicas need to agree on which of them
// runs what. One statement for all accounts, unless a node of a distributed history is unreachable.
import { and, eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { databaseError } from '../../db/database-errors.ts';
import { accountsByNode, type PlacedAccount } from '../../db/distribute/accounts-by-node.ts';
import type { Pool } from '../../db/pool.ts';
import { accounts, leases, snapshots, syncRuns } from '../../db/schema.ts';
import { whole } from '../../db/sql/inline-sql.ts';
import type { OperatorError } from '../../errors.ts';
import { isKnownDead } from '../../host/process-identity.ts';
import { judgeHolder } from './claim-lease.ts';
import { LEASE_TIMING, type LeaseTiming } from './lease.ts';

export type SlotFacts = {
  /** A run for this slot has succeeded. Then attempts and successes are not looked up. */
  isDone: boolean;
  /** A run holds the account now. A lease that is silent, or belongs to a dead process, does not count. */
  isHeld: boolean;
  isRetired: boolean;
  /** Runs for this slot that did not succeed. */
  attempts: number;
  /** Milliseconds since the newest of these attempts ended. Null: there is no attempt. */
  sinceAttemptMs: number | null;
  /**
   * Milliseconds since the slot of the newest success. If no slot had triggered that run: since it began. For an
   * import: since the instant of its snapshot. Null: never.
   */
  sinceSuccessMs: number | null;
};

/** With constant keys, Citus asks only the nodes that hold these accounts. */
export type AskedAccounts = { ids: readonly string[] } | { keys: readonly number[] };

/** For an account that the database does not know. */
const UNKNOWN: SlotFacts = {
  isDone: false,
  isHeld: false,
  isRetired: false,
  attempts: 0,
  sinceAttemptMs: null,
  sinceSuccessMs: null,
};

/** By account id. Every account that was asked about is in one of these two maps. */
export type FactsOfAccounts = {
  known: ReadonlyMap<string, SlotFacts>;
  /** Accounts on a node of a distributed history that does not answer (DATABASE_NODE_AWAY). */
  away: ReadonlyMap<string, OperatorError>;
};

/**
 * All times are by the database's clock. `slot` null: no slot is known, so only the success is looked up. Throws an
 * OperatorError if the database does not answer.
 */
export async function slotFacts(
  pool: Pool,
  accountIds: readonly string[],
  slot: Date | null,
  timing: LeaseTiming = LEASE_TIMING,
): Promise<FactsOfAccounts> {
  const known = new Map(accountIds.map((id) => [id, UNKNOWN]));
  const away = new Map<string, OperatorError>();
  const ask = async (of: AskedAccounts) => {
    const { rows } = await drizzle(pool).execute<FactsRow>(factsOf(of, slot));
    for (const row of rows) known.set(row.accountId, readRow(row, timing));
  };
  if (accountIds.length === 0) return { known, away };
  try {
    await ask({ ids: accountIds });
  } catch (error) {
    const problem = databaseError(error);
    if (problem?.code !== 'DATABASE_NODE_AWAY') throw problem ?? error;
    await askNodes(pool, accountIds, ask, (id, why) => {
      known.delete(id);
      away.set(id, why);
    });
  }
  return { known, away };
}

/** Each node is asked for its accounts, side by side. Only accounts on an unreachable node get no answer. */
async function askNodes(
  pool: Pool,
  accountIds: readonly string[],
  ask: (of: AskedAccounts) => Promise<void>,
  onAway: (accountId: string, why: OperatorError) => void,
): Promise<void> {
  const askOne = async (placed: readonly PlacedAccount[]) => {
    try {
      await ask({ keys: placed.map(({ key }) => key) });
    } catch (error) {
      const problem = databaseError(error);
      if (problem?.code !== 'DATABASE_NODE_AWAY') throw problem ?? error;
      for (const { id } of placed) onAway(id, problem);
    }
  };
  try {
    await Promise.all((await accountsByNode(pool, accountIds)).map(askOne));
  } catch (error) {
    throw databaseError(error) ?? error;
  }
}

type FactsRow = Omit<SlotFacts, 'isHeld'> & {
  accountId: string;
  /** The process that holds the lease, and how long it has been silent. Null without a lease. */
  process: string | null;
  silentMs: number | null;
};

function readRow({ process, silentMs, ...row }: FactsRow, timing: LeaseTiming): SlotFacts {
  const { isDone, isRetired, attempts, sinceAttemptMs, sinceSuccessMs } = row;
  const holder =
    process === null || silentMs === null
      ? null
      : { runId: 0, startedAt: new Date(0), host: '', silentMs, process };
  const isHeld = holder !== null && judgeHolder(holder, timing, isKnownDead(holder.process)) === 'running';
  return { isDone, isHeld, isRetired, attempts, sinceAttemptMs, sinceSuccessMs };
}

// Attempts are looked for among this number of newest runs. The back-off stops growing long before. We do not search by
// end time, because the clock of the database may be behind the clock that fired the slot.
const NEWEST_RUNS = 100;

/**
 * Each probe compares account_key by equality, and reads little even in a long history, because the attempts for a slot
 * are newer than the newest success of any slot. Measured: 30 to 50 µs of CPU per account. A join with grouped runs
 * would read all runs. Exported for a test of its plan.
 */
export function factsOf(of: AskedAccounts, slot: Date | null): SQL {
  const [a, r, s, l] = [accounts, syncRuns, snapshots, leases];
  const here = (table: Keyed) => and(eq(table.account_key, a.account_key), isAmong(table, of))!;
  const at = sql`${slot?.toISOString() ?? null}::timestamptz`;
  const msSince = (instant: SQL) => sql`extract(epoch from now() - ${instant})::float8 * 1000`;
  return sql`
    select ${a.account_id} as "accountId",
           ${a.retired_at} is not null as "isRetired",
           done.is_done is true as "isDone",
           coalesce(attempts.count, 0) as attempts,
           ${msSince(sql`attempts.newest_at`)} as "sinceAttemptMs",
           ${msSince(sql`success.at`)} as "sinceSuccessMs",
           ${l.process} as process,
           ${msSince(sql`${l.heartbeat_at}`)} as "silentMs"
      from ${a}
      left join ${l} on ${here(l)}
      left join lateral (
        select true as is_done from ${r}
         where ${here(r)} and ${r.scheduled_for} = ${at} and ${r.status} = 'succeeded' limit 1) done on true
      left join lateral (
        -- An import is no look at the account: it is as old as what it brought.
        select coalesce(${r.scheduled_for}, ${s.observed_at}, ${r.started_at}) as at
          from ${r}
          left join ${s} on ${r.trigger} = 'import' and ${here(s)} and ${s.snapshot_id} = ${r.snapshot_id}
         where done.is_done is null and ${here(r)} and ${r.status} = 'succeeded'
         order by ${r.run_id} desc limit 1) success on true
      left join lateral (
        select count(*)::integer as count, (array_agg(finished_at order by run_id desc))[1] as newest_at
          from (select ${r.run_id} as run_id, ${r.finished_at} as finished_at, ${r.scheduled_for} as scheduled_for, ${r.status} as status
                  from ${r}
                 where done.is_done is null and ${here(r)}
                   and ${r.run_id} > coalesce((select max(${r.run_id}) from ${r} where ${here(r)}
                                                  and ${r.status} = 'succeeded' and ${r.scheduled_for} is not null), 0)
                 order by ${r.run_id} desc limit ${NEWEST_RUNS}) newest
         where scheduled_for = ${at} and status <> 'succeeded') attempts on true
     where ${'ids' in of ? sql`${a.account_id} = any(${sql.param([...of.ids])}::text[])` : isAmong(a, of)}`;
}

type Keyed = { account_key: PgColumn };

/** Constants for every table: only then does Citus leave out nodes. */
function isAmong(table: Keyed, of: AskedAccounts): SQL | undefined {
  return 'keys' in of ? sql`${table.account_key} in (${sql.join(of.keys.map(whole), sql`, `)})` : undefined;
}
