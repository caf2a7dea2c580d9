// The nodes and shards of a distributed history. Asks every node whether it answers.
import { sql } from 'drizzle-orm';
import { isDistributed, readCitus } from '../../db/distribute/citus.ts';
import { planDistribution } from '../../db/distribute/plan-distribution.ts';
import { readForeignKeys, readTables } from '../../db/distribute/read-tables.ts';
import type { Transaction } from '../../db/transaction.ts';

export type ClusterFacts = {
  version: string;
  isCoordinator: boolean;
  isRegistered: boolean;
  isDistributed: boolean;
  /** Tables that exist only on the coordinator, and should be distributed. */
  missing: string[];
  /** "host:port" */
  nodes: number;
  silent: string[];
  /** Shards that no active node holds. */
  lostShards: number;
  /** Shards that Citus would move to balance the nodes. Null: not asked, because a node is unreachable. */
  moves: number | null;
  /** Reader roles that may not log in to the nodes. */
  barredRoles: string[];
};

/** Null: the database has no extension Citus. */
export async function clusterFacts(tx: Transaction): Promise<ClusterFacts | null> {
  const { version, isCoordinator, isRegistered } = await readCitus(tx);
  if (version === null) return null;
  const facts = { version, isCoordinator, isRegistered, isDistributed: false, missing: [] as string[] };
  const none = { nodes: 0, silent: [], lostShards: 0, moves: null, barredRoles: [] };
  if (!isCoordinator) return { ...facts, ...none };
  const plan = planDistribution(await readTables(tx), await readForeignKeys(tx));
  facts.missing = [...plan.reference, ...plan.distributed];
  facts.isDistributed = await isDistributed(tx);
  if (!facts.isDistributed) return { ...facts, ...none };
  const { rows } = await tx.execute<{
    nodes: number;
    silent: string[];
    lostShards: number;
    barredRoles: string[];
  }>(sql`
    select count(*)::integer as nodes,
           coalesce(array_agg(n.nodename || ':' || n.nodeport order by 1) filter (where not (n.isactive and r.success)), '{}') as silent,
           (select count(*)::integer from pg_dist_shard s where not exists (
              select from pg_dist_placement p join pg_dist_node a on a.groupid = p.groupid and a.isactive
               where p.shardid = s.shardid and p.shardstate = 1)) as "lostShards",
           (select coalesce(array_agg(rolname::text order by 1), '{}') from pg_roles
             where rolname in ('risk_reader', 'risk_pii_reader') and not rolcanlogin
               and has_schema_privilege(oid, 'risk_bi', 'usage')) as "barredRoles"
      from pg_dist_node n join run_command_on_all_nodes('select 1') r using (nodeid)`);
  const [row] = rows;
  if (row === undefined) throw new Error('the cluster has no node');
  const moves = row.silent.length > 0 ? null : await movesOf(tx);
  return { ...facts, ...row, moves };
}

async function movesOf(tx: Transaction): Promise<number> {
  const { rows } = await tx.execute<{ moves: number }>(
    sql`select count(*)::integer as moves from get_rebalance_table_shards_plan()`,
  );
  return rows[0]?.moves ?? 0;
}
