// The tables of the history and their foreign keys, as the catalogs of PostgreSQL and Citus know them.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../transaction.ts';
import type { ForeignKey, TableFacts } from './plan-distribution.ts';

/**
 * The extension must be installed. On a node that holds shards, shards are tables of the same schemas: they are left
 * out.
 */
export async function readTables(tx: Transaction): Promise<TableFacts[]> {
  const { rows } = await tx.execute<TableFacts>(sql`
    select c.relnamespace::regnamespace || '.' || c.relname as name,
           exists (select from pg_attribute where attrelid = c.oid and attname = 'account_key' and not attisdropped) as "hasAccountKey",
           case p.partmethod when 'h' then 'distributed' when 'n' then 'reference' end as kind
      from pg_class c left join pg_dist_partition p on p.logicalrelid = c.oid
     where c.relnamespace::regnamespace::text in ('risk', 'risk_internal') and c.relkind in ('r', 'p') and not c.relispartition
       and not relation_is_a_known_shard(c.oid)
     order by 1`);
  return rows;
}

export async function readForeignKeys(tx: Transaction): Promise<ForeignKey[]> {
  const { rows } = await tx.execute<ForeignKey>(sql`
    select c.relnamespace::regnamespace || '.' || c.relname as table, t.relnamespace::regnamespace || '.' || t.relname as to,
           k.conname as name, pg_get_constraintdef(k.oid) as definition
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_class t on t.oid = k.confrelid
     where k.contype = 'f' and c.relnamespace::regnamespace::text in ('risk', 'risk_internal')
       and not relation_is_a_known_shard(c.oid)
     order by 1, 3`);
  return rows;
}
