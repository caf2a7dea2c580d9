// Applies the migrations to an empty database, and compares it with src/db/views and src/db/schema.ts. PostgreSQL
// prints both sides of the views, because only PostgreSQL knows whether two texts mean the same.
import { getTableName, is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { migrate, migrationsFolder } from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { inOrder, type ViewFile } from './view-files.ts';

export type Facts = ReadonlyMap<string, string>;

const FACTS = `
  with object as (
    select 'pg_class'::regclass as catalogue, c.oid, c.relname as name, 'VIEW' as kind,
           pg_get_viewdef(c.oid) as definition, c.reloptions::text as options, c.relacl::text as rights
      from pg_class c where c.relnamespace = 'risk_bi'::regnamespace and c.relkind <> 'i'
    union all
    select 'pg_proc'::regclass, p.oid, p.proname || '(' || oidvectortypes(p.proargtypes) || ')', 'FUNCTION', pg_get_functiondef(p.oid), null, p.proacl::text
      from pg_proc p where p.pronamespace = 'risk_bi'::regnamespace)
  select o.name, jsonb_build_object(
           'kind', o.kind, 'definition', o.definition, 'options', o.options, 'rights', o.rights,
           'columns', (select jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                         from pg_attribute a where o.kind = 'VIEW' and a.attrelid = o.oid and a.attnum > 0),
           'comments', (select jsonb_object_agg(d.objsubid, d.description)
                          from pg_description d where d.classoid = o.catalogue and d.objoid = o.oid))::text as fact
    from object o`;

const COLUMNS = `
  select format('%s.%s.%s', n.nspname, c.relname, a.attname) as name,
         format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end as fact
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
   where n.nspname in ('risk', 'risk_internal') and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
     and c.oid <> 'risk_internal.migrations'::regclass`;

/** Returns what is wrong, one line each. Needs two empty databases: one for the migrations, one for the view files. */
export async function wrongInCatalogue(
  databases: { migrated: Pool; fromFiles: Pool },
  files: readonly ViewFile[],
  schema: Readonly<Record<string, unknown>>,
  folder = migrationsFolder(),
): Promise<string[]> {
  const { migrated, fromFiles } = databases;
  await migrate(migrated, folder);
  // Creates the tables that the views need.
  await migrate(fromFiles, folder);
  await fromFiles.query('drop schema risk_bi cascade; create schema risk_bi');
  for (const { text } of inOrder(files)) await fromFiles.query(text);
  const views = await read(fromFiles, FACTS);
  return [
    ...differences(views, await read(migrated, FACTS), (name) => `risk_bi.${name}`, 'src/db/views'),
    ...differences(columnsOf(schema), await read(migrated, COLUMNS), (name) => name, 'src/db/schema.ts'),
  ];
}

export function differences(
  wanted: Facts,
  found: Facts,
  name: (key: string) => string,
  who: string,
): string[] {
  return [...new Set([...wanted.keys(), ...found.keys()])].toSorted().flatMap((key) => {
    const [is, was] = [wanted.get(key), found.get(key)];
    if (is === was) return [];
    if (was === undefined) return [`${name(key)}: ${who} defines it, but the migrations do not make it`];
    if (is === undefined) return [`${name(key)}: the migrations make it, but ${who} does not define it`];
    return [`${name(key)}: ${who} defines\n  ${is}\nbut the migrations make\n  ${was}`];
  });
}

function columnsOf(schema: Readonly<Record<string, unknown>>): Facts {
  const tables = Object.values(schema).filter((value) => is(value, PgTable));
  return new Map(
    tables.flatMap((table) =>
      getTableConfig(table).columns.map((column): [string, string] => [
        `${getTableConfig(table).schema}.${getTableName(table)}.${column.name}`,
        column.getSQLType() + (column.notNull ? ' not null' : ''),
      ]),
    ),
  );
}

async function read(pool: Pool, text: string): Promise<Facts> {
  const { rows } = await pool.query<{ name: string; fact: string }>(text);
  return new Map(rows.map(({ name, fact }) => [name, fact]));
}
