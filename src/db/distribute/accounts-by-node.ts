// Which accounts are on which node of a distributed history. Asks only the coordinator, so it answers while nodes are
// unreachable.
import { sql } from 'drizzle-orm';
import type { Db } from '../handle.ts';
import { on } from '../handle.ts';
import { accountKeys as k } from '../schema.ts';
import { ANCHOR } from './plan-distribution.ts';

export type PlacedAccount = { id: string; key: number };

/** One list per node. Accounts without a row in the directory are in none. */
export async function accountsByNode(db: Db, accountIds: readonly string[]): Promise<PlacedAccount[][]> {
  const { rows } = await on(db).execute<PlacedAccount & { node: number }>(sql`
    select ${k.account_id} as id, ${k.account_key} as key, p.groupid as node
      from ${k} join pg_dist_placement p on p.shardid = get_shard_id_for_distribution_column(${sql.raw(`'${ANCHOR}'`)}, ${k.account_key})
     where ${k.account_id} = any(${sql.param([...accountIds])}::text[])`);
  const nodes = Map.groupBy(rows, ({ node }) => node);
  return [...nodes.values()].map((onOne) => onOne.map(({ id, key }) => ({ id, key })));
}
