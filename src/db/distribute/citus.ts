// What the database says about Citus: whether it is installed, whether this node is the coordinator, and whether the
// history is distributed. Cheap: without Citus, it reads only the catalog.
import { sql } from 'drizzle-orm';
import { OperatorError } from '../../errors.ts';
import { on, type Db } from '../handle.ts';
import type { Transaction } from '../transaction.ts';

/** `version` null: the database has no extension Citus. */
export type CitusState = {
  version: string | null;
  isCoordinator: boolean;
  /** Whether the coordinator is among the nodes. If not, it keeps no copy of a reference table. */
  isRegistered: boolean;
};

export async function readCitus(tx: Transaction): Promise<CitusState> {
  const { rows } = await tx.execute<{ version: string | null }>(
    sql`select (select extversion from pg_extension where extname = 'citus') as version`,
  );
  const version = rows[0]?.version ?? null;
  if (version === null) return { version, isCoordinator: false, isRegistered: false };
  const asked = await tx.execute<Omit<CitusState, 'version'>>(sql`
    select citus_is_coordinator() as "isCoordinator",
           exists (select from pg_dist_node where groupid = 0 and isactive) as "isRegistered"`);
  return { version, ...asked.rows[0]! };
}

/** Whether each account has its own clock: then the tables are distributed. The database must be migrated. */
export async function isDistributed(tx: Transaction): Promise<boolean> {
  const { rows } = await tx.execute<{ is: boolean }>(sql`select risk_internal.feed_clock_key(1) = 1 as is`);
  return rows[0]?.is === true;
}

/** Throws CITUS_MISSING or CITUS_NODE (exit 78). */
export async function requireCoordinator(db: Db): Promise<void> {
  const { version, isCoordinator, isRegistered } = await readCitus(on(db));
  if (version === null) throw citusMissing();
  if (!isCoordinator) throw wrongNode();
  if (!isRegistered) throw notRegistered();
}

/** For code that moves a history with one clock. Throws HISTORY_DISTRIBUTED (exit 78). */
export async function refuseDistributed(db: Db): Promise<void> {
  if (!(await isDistributed(on(db)))) return;
  throw new OperatorError({
    code: 'HISTORY_DISTRIBUTED',
    happened: 'The history is distributed over the nodes of Citus',
    means:
      'Each account has a clock of its own, which no backup or copy of this program can hold. Nothing was written',
    todo: 'Back up every node of the cluster, as the documentation of Citus says. To fill a cluster, copy the history there first, and then run `zt-risk-sync migrate --distribute`',
  });
}

function citusMissing(): OperatorError {
  return new OperatorError({
    code: 'CITUS_MISSING',
    happened: 'The database has no extension Citus',
    means:
      'Only Citus distributes a history. Nothing was changed: on one PostgreSQL, everything works without it',
    todo: 'Install Citus on all nodes, run `create extension citus` in this database on each of them, and add the workers with citus_add_node()',
  });
}

/** On a worker, Citus shows the tables of the coordinator, except those that stay on the coordinator. */
export async function refuseWorker(db: Db): Promise<void> {
  const { version, isCoordinator } = await readCitus(on(db));
  if (version !== null && !isCoordinator) throw wrongNode();
}

function wrongNode(): OperatorError {
  return new OperatorError({
    code: 'CITUS_NODE',
    happened: 'DATABASE_URL names a worker node of Citus',
    means:
      'Only the coordinator may distribute tables, and this program works through it. Nothing was changed',
    todo: 'Name the coordinator in DATABASE_URL',
  });
}

function notRegistered(): OperatorError {
  return new OperatorError({
    code: 'CITUS_NODE',
    happened: 'The coordinator is not among the nodes of Citus',
    means:
      'It would have to ask a worker for the list of accounts, and every account would depend on that worker. Nothing was changed',
    todo: "Run `select citus_set_coordinator_host('<host>', <port>)` with the address under which the workers reach the coordinator",
  });
}
