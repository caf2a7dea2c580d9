// Which privileges the database role has, of those that syncs and migrations need.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../../db/transaction.ts';

export type RolePrivileges = {
  /** CREATE on the database: migrations create schemas. */
  mayCreate: boolean;
  /** Schemas of this program that another role owns. */
  notOwned: string[];
  /** Tables of this program that a sync could not write. */
  notWritable: string[];
};

/** By oid, not by name: a privilege question by name is an error if the role may not use the schema. */
export async function rolePrivileges(tx: Transaction): Promise<RolePrivileges> {
  const { rows } = await tx.execute<RolePrivileges>(sql`
    with ours as (select oid, nspname, nspowner from pg_namespace where nspname in ('risk', 'risk_internal', 'risk_bi'))
    select has_database_privilege(current_database(), 'create') as "mayCreate",
           coalesce((select array_agg(nspname::text order by nspname) from ours where not pg_has_role(nspowner, 'usage')),
             '{}') as "notOwned",
           coalesce((select array_agg(format('%s.%s', nspname, relname) order by nspname, relname)
             from pg_class c join ours n on n.oid = c.relnamespace
            where nspname <> 'risk_bi' and relkind in ('r', 'p')
              and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
                and has_table_privilege(c.oid, case when relname in ('feed_clock', 'migrations') then 'update' else 'insert' end))), '{}')
             as "notWritable"`);
  const [privileges] = rows;
  if (privileges === undefined) throw new Error('the select returned no row');
  return privileges;
}
