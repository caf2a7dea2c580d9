// Comments and grants of tables, columns and views. Citus may drop a view and create it again when it distributes a
// table that the view reads. The comments and grants are then lost. So they are read before, and restored afterwards if
// they are missing.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../transaction.ts';

/** Each one as the statement that restores it. */
export type Notes = readonly string[];

export async function readNotes(tx: Transaction): Promise<Notes> {
  const { rows } = await tx.execute<{ note: string }>(sql`
    with ours as (
      select c.oid, c.relacl, format('%I.%I', n.nspname, c.relname) as name,
             case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('risk', 'risk_internal', 'risk_bi') and c.relkind in ('r', 'p', 'v', 'm'))
    select format('comment on %s %s is %L', kind, name, description) as note
      from ours join pg_description d on d.objoid = ours.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
    union all
    select format('comment on column %s.%I is %L', name, attname, description)
      from ours join pg_description d on d.objoid = ours.oid and d.classoid = 'pg_class'::regclass and d.objsubid > 0
      join pg_attribute a on a.attrelid = ours.oid and a.attnum = d.objsubid
    union all
    select format('grant %s on %s to %s%s', privilege_type, name,
             case grantee when 0 then 'public' else grantee::regrole::text end, case when is_grantable then ' with grant option' end)
      from ours, aclexplode(relacl)
    union all
    select format('grant %s (%I) on %s to %s%s', privilege_type, attname, name,
             case grantee when 0 then 'public' else grantee::regrole::text end, case when is_grantable then ' with grant option' end)
      from ours join pg_attribute a on a.attrelid = ours.oid and not attisdropped, aclexplode(attacl)
    order by 1`);
  return rows.map(({ note }) => note);
}

/** Returns how many were missing. */
export async function restoreNotes(tx: Transaction, before: Notes): Promise<number> {
  const kept = new Set(await readNotes(tx));
  const missing = before.filter((note) => !kept.has(note));
  for (const note of missing) await tx.execute(sql.raw(note));
  return missing.length;
}
