// The catalogue of a database as src/contract/catalogue.json keeps it. Order and text are the same on every version of
// PostgreSQL.
import type { Catalogue, Relation } from '../../../src/contract/catalogue.ts';
import { createRoles } from '../../../src/db/roles.ts';
import type { MigratedDatabase } from './migrated-database.ts';

const SCHEMAS = `('risk', 'risk_bi')`;

/** `key` is an array of column numbers of the relation `of`. */
const columnNames = (key: string, of: string) => `(
  select json_agg(a.attname order by k.place) from unnest(${key}) with ordinality as k (number, place)
    join pg_attribute a on a.attrelid = ${of} and a.attnum = k.number)`;

const list = (select: string) => `coalesce((${select}), '[]'::json)`;

const READER = (has: string) =>
  `case when ${has.replace('ROLE', 'risk_reader')} then 'risk_reader' when ${has.replace('ROLE', 'risk_pii_reader')} then 'risk_pii_reader' end`;

const TABLES = `
  select n.nspname || '.' || c.relname as name,
         case c.relkind when 'v' then 'view' else 'table' end as kind,
         obj_description(c.oid, 'pg_class') as about,
         ${READER(`has_table_privilege('ROLE', c.oid, 'select')`)} as reader,
         ${list(`select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
             'about', col_description(c.oid, a.attnum), 'required', a.attnotnull) order by a.attnum)
             from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`)} as columns,
         '[]'::json as arguments,
         ${list(`select ${columnNames('x.conkey', 'c.oid')} from pg_constraint x
             where x.conrelid = c.oid and x.contype = 'p'`)} as "primaryKey",
         ${list(`select json_agg(json_build_object('columns', ${columnNames('i.indkey::int2[]', 'c.oid')},
             'where', pg_get_expr(i.indpred, c.oid, true)) order by i.indexrelid::regclass::text)
             from pg_index i where i.indrelid = c.oid and i.indisunique and not i.indisprimary`)} as "unique",
         ${list(`select json_agg(json_build_object('columns', ${columnNames('x.conkey', 'c.oid')},
             'to', x.confrelid::regclass::text, 'toColumns', ${columnNames('x.confkey', 'x.confrelid')}) order by x.conname)
             from pg_constraint x where x.conrelid = c.oid and x.contype = 'f'`)} as "foreignKeys",
         ${list(`select json_agg(json_build_object('name', x.conname, 'condition', pg_get_expr(x.conbin, c.oid, true))
             order by x.conname)
             from pg_constraint x where x.conrelid = c.oid and x.contype = 'c'`)} as checks
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname in ${SCHEMAS} and c.relkind in ('r', 'v')`;

const argumentsIn = (mode: string, more: string) =>
  list(`select json_agg(json_build_object('name', f.name, 'type', format_type(f.type, null)${more}) order by f.place)
    from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
         with ordinality as f (name, type, mode, place) where f.mode = '${mode}'`);

const FUNCTIONS = `
  select n.nspname || '.' || p.proname as name,
         'function' as kind,
         obj_description(p.oid, 'pg_proc') as about,
         ${READER(`has_function_privilege('ROLE', p.oid, 'execute')`)} as reader,
         ${argumentsIn('t', `, 'about', null, 'required', false`)} as columns,
         ${argumentsIn('i', '')} as arguments,
         '[]'::json as "primaryKey", '[]'::json as "unique", '[]'::json as "foreignKeys", '[]'::json as checks
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
   where n.nspname in ${SCHEMAS}`;

/** Makes the roles for readers, whose grants are part of the catalogue. */
export async function readCatalogue(db: MigratedDatabase): Promise<Catalogue> {
  await createRoles(db.pool);
  const schemas = await db.rows<{ name: string; about: string }>(
    `select nspname as name, obj_description(oid, 'pg_namespace') as about from pg_namespace
      where nspname in ${SCHEMAS} order by nspname`,
  );
  const relations = [...(await db.rows<Relation>(TABLES)), ...(await db.rows<Relation>(FUNCTIONS))];
  return {
    schemas,
    relations: relations.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)),
  };
}

function rank({ name, kind }: Relation): number {
  return (name.startsWith('risk_bi.') ? 3 : 0) + ['table', 'view', 'function'].indexOf(kind);
}
