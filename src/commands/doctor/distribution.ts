// Checks a history on Citus: whether every table is distributed, every node answers, and the nodes are evenly filled.
import type { Pool } from '../../db/pool.ts';
import { clusterFacts, type ClusterFacts } from '../../queries/health/cluster.ts';
import { plural } from '../../words.ts';
import { checkInDatabase } from './database.ts';
import { failedAs, merged, ok, warning, type Line } from './lines.ts';

export function checkDistribution(pool: Pool): Promise<Line> {
  return checkInDatabase(pool, 'distribution', 'the catalogs of Citus', async (tx) =>
    judgeDistribution(await clusterFacts(tx)),
  );
}

export function judgeDistribution(facts: ClusterFacts | null): Line {
  const check = 'distribution';
  if (facts === null) return ok(check, 'one PostgreSQL, without Citus');
  if (!facts.isCoordinator)
    return failedAs(
      check,
      'CITUS_NODE',
      'DATABASE_URL names a worker node of Citus',
      'Name the coordinator in DATABASE_URL',
    );
  if (!facts.isDistributed)
    return ok(check, `Citus ${facts.version}, and the history is on the coordinator alone`);
  const whenGood = `Citus ${facts.version}, ${plural(facts.nodes, 'node')}: every table is distributed`;
  return merged(check, whenGood, findings(facts));
}

function findings(facts: ClusterFacts): Line[] {
  const { isRegistered, missing, silent, lostShards, moves, barredRoles } = facts;
  const check = 'distribution';
  const found: Line[] = [];
  if (missing.length > 0)
    found.push(
      failedAs(
        check,
        'NOT_DISTRIBUTED',
        `on the coordinator alone: ${missing.join(', ')}`,
        'Run `zt-risk-sync migrate --distribute`',
      ),
    );
  if (silent.length > 0)
    found.push(
      failedAs(
        check,
        'DATABASE_NODE_AWAY',
        `no answer from ${silent.join(', ')}`,
        'Start these nodes. Accounts on other nodes continue',
      ),
    );
  if (lostShards > 0)
    found.push(
      failedAs(
        check,
        'DATABASE_NODE_AWAY',
        `${plural(lostShards, 'shard')} on no active node`,
        'Activate the node that holds them (`select citus_activate_node(...)`), or restore it',
      ),
    );
  if (!isRegistered)
    found.push(
      warning(
        check,
        'the coordinator is not among the nodes, so a worker has to be asked for the list of accounts',
        'Run `select citus_set_coordinator_host(...)`',
      ),
    );
  if (moves !== null && moves > 0)
    found.push(
      warning(
        check,
        `the nodes are not evenly filled: ${plural(moves, 'shard')} would move`,
        'Run `select citus_rebalance_start()` in a quiet hour',
      ),
    );
  if (barredRoles.length > 0)
    found.push(
      warning(
        check,
        `${barredRoles.join(' and ')} may not log in, and the coordinator reaches the nodes as the role of the reader`,
        `Run ${barredRoles.map((role) => `\`alter role ${role} login\``).join(' and ')}`,
      ),
    );
  return found;
}
