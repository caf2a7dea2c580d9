// The contract with everyone who reads the database: names, types and order of columns, kept in contract.golden.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { onOnePostgres } from '../support/database/distributed-database.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { ZONED_VIEWS } from '../support/database/zoned-views.ts';

const goldenFile = path.join(import.meta.dirname, 'contract.golden');

/** What a developer must do about each difference. */
function brokenPromises(golden: ReadonlyMap<string, string>, actual: ReadonlyMap<string, string>): string[] {
  const changed = [...golden].flatMap(([place, was]) => {
    const is = actual.get(place);
    if (is === was) return [];
    return `${place} was ${was} and is ${is ?? 'gone'}: readers rely on it. Put it back, and add what is new as a last column`;
  });
  const added = [...actual].filter(([place]) => !golden.has(place));
  return [
    ...changed,
    ...added.map(
      ([place, type]) =>
        `${place} is new (${type}): if that is meant, run this test with UPDATE_GOLDEN=1 and commit contract.golden`,
    ),
  ];
}

describe('the contract', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const names = async (text: string) =>
    (await db.rows<{ name: string }>(text)).map((row) => row.name).toSorted();

  test('only appends columns for readers', async () => {
    const relations = await db.rows<{ place: string; type: string }>(`
      select format('%s.%s.%s', table_schema, table_name, ordinal_position) as place,
             column_name || ' ' || case when data_type = 'ARRAY' then udt_name else data_type end as type
        from information_schema.columns where table_schema in ('risk', 'risk_bi')
       order by table_schema, table_name, ordinal_position`);
    const functions = await db.rows<{ place: string; type: string }>(`
      select format('%s.%s(%s).%s', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), r.nth) as place,
             r.name || ' ' || format_type(r.type, null) as type
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
             unnest(p.proargnames, p.proallargtypes, p.proargmodes) with ordinality as every (name, type, mode, place),
             lateral (select every.name, every.type, every.place - p.pronargs as nth where every.mode = 't') r
       where n.nspname in ('risk', 'risk_bi') order by 1, r.nth`);
    const actual = new Map([...relations, ...functions].map(({ place, type }) => [place, type]));
    if (process.env['UPDATE_GOLDEN'] === '1')
      writeFileSync(goldenFile, [...actual].map(([place, type]) => `${place} = ${type}\n`).join(''));
    const golden = new Map(
      readFileSync(goldenFile, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' = ') as [string, string]),
    );
    assert.ok(golden.size > 250, `${golden.size} columns`);
    assert.deepEqual(brokenPromises(golden, actual), []);
  });

  test('distinguishes a removed, renamed or retyped column from a new one', () => {
    const golden = new Map([
      ['risk_bi.v.1', 'a text'],
      ['risk_bi.v.2', 'b integer'],
    ]);
    assert.deepEqual(brokenPromises(golden, new Map(golden)), []);
    const [retyped, ...more] = brokenPromises(golden, new Map([...golden, ['risk_bi.v.2', 'b bigint']]));
    assert.match(
      retyped ?? '',
      /^risk_bi\.v\.2 was b integer and is b bigint: readers rely on it\. Put it back/,
    );
    assert.deepEqual(more, []);
    assert.match(
      brokenPromises(golden, new Map([['risk_bi.v.1', 'a text']])).join(),
      /^risk_bi\.v\.2 was b integer and is gone: .*Put it back/,
    );
    assert.match(
      brokenPromises(golden, new Map([...golden, ['risk_bi.v.3', 'c text']])).join(),
      /^risk_bi\.v\.3 is new \(c text\): .*UPDATE_GOLDEN=1/,
    );
  });

  test('has a comment on everything in the three schemas', async () => {
    const silent = await names(`
      with schemas as (select oid, nspname from pg_namespace where nspname in ('risk', 'risk_internal', 'risk_bi'))
      select 'schema ' || nspname as name from schemas where obj_description(oid, 'pg_namespace') is null
      union all
      select 'relation ' || s.nspname || '.' || c.relname from pg_class c join schemas s on s.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'm', 'f') and obj_description(c.oid, 'pg_class') is null
      union all
      select 'column ' || s.nspname || '.' || c.relname || '.' || a.attname
        from pg_class c join schemas s on s.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relkind in ('r', 'p', 'v', 'm', 'f') and col_description(c.oid, a.attnum) is null
      union all
      select 'function ' || s.nspname || '.' || p.proname from pg_proc p join schemas s on s.oid = p.pronamespace
       where obj_description(p.oid, 'pg_proc') is null`);
    assert.deepEqual(silent, []);
    const comments = await db.rows<{ text: string }>(`
      select description as text from pg_description d join pg_class c on c.oid = d.objoid
       where c.relnamespace::regnamespace::text like 'risk%'`);
    // If the query above looked in the wrong place, it would find nothing to complain about.
    assert.ok(comments.length > 120, `${comments.length} comments`);
    assert.deepEqual(
      comments.filter(({ text }) => text.trim() === ''),
      [],
    );
  });

  test('has every view and function for people in docs/reporting.md', async () => {
    const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/reporting.md'), 'utf8');
    const all = await names(`
      select relname::text as name from pg_class where relnamespace = 'risk_bi'::regnamespace and relkind in ('v', 'm')
      union all
      select proname || '(' || array_to_string(proargnames[1:pronargs], ', ') || ')' from pg_proc
       where pronamespace = 'risk_bi'::regnamespace`);
    assert.ok(all.length > 20);
    assert.deepEqual(
      all.filter((name) => !page.includes(`\`${name}\``)),
      [],
    );
  });

  test('gives readers real tables, text instead of enums, and no generated columns', async () => {
    assert.deepEqual(
      await names(
        `select relname as name from pg_class where relnamespace = 'risk'::regnamespace and relkind in ('v', 'm', 'f', 'p')`,
      ),
      [],
    );
    assert.deepEqual(
      await names(
        `select typname as name from pg_type where typnamespace::regnamespace::text like 'risk%' and typtype in ('e', 'd', 'r')`,
      ),
      [],
    );
    assert.deepEqual(
      await names(`select attname as name from pg_attribute join pg_class c on c.oid = attrelid
         where c.relnamespace = 'risk'::regnamespace and attgenerated <> ''`),
      [],
    );
  });

  test('keeps the zone of every point in time; a date is a calendar day, and only in the views for people', async () => {
    assert.deepEqual(
      await names(`select table_schema || '.' || table_name || '.' || column_name as name from information_schema.columns
         where table_schema like 'risk%' and (data_type in ('timestamp without time zone', 'time without time zone')
           or data_type = 'date' and (table_schema <> 'risk_bi' or column_name not in ('day', 'week_start', 'month_start')))`),
      [],
    );
  });

  test("reads with the caller's rights in every view and every function, except of the feed clock", async () => {
    assert.deepEqual(
      await names(`select oid::regclass::text as name from pg_class where relnamespace::regnamespace::text like 'risk%'
         and relkind in ('v', 'm') and not coalesce('security_invoker=true' = any (reloptions), false)`),
      ['risk_bi.feed_clock', 'risk_bi.feed_epochs'],
    );
    assert.deepEqual(
      await names(`select oid::regprocedure::text as name from pg_proc where pronamespace::regnamespace::text like 'risk%'
         and prosecdef`),
      [],
    );
  });

  test('has unlogged tables only for staging', async () => {
    assert.deepEqual(
      await names(`select relnamespace::regnamespace::text || '.' || relname as name from pg_class
         where relnamespace::regnamespace::text like 'risk%' and relkind = 'r' and relpersistence = 'u'`),
      ['risk_internal.staged_changes', 'risk_internal.staged_identities', 'risk_internal.staged_rejected'],
    );
  });

  test("has no CHECK on a table with emails and names: a failed one would print the row into the server's log", async () => {
    const tables =
      await names(`select attrelid::regclass::text as name from pg_attribute join pg_class c on c.oid = attrelid
       where c.relnamespace::regnamespace::text in ('risk', 'risk_internal') and relkind = 'r' and attname in ('email', 'name', 'raw')
       group by 1`);
    assert.deepEqual(tables, [
      'risk.user_identities',
      'risk_internal.rejected_records',
      'risk_internal.staged_changes',
      'risk_internal.staged_identities',
      'risk_internal.staged_rejected',
    ]);
    assert.deepEqual(
      await names(`select conname as name from pg_constraint where contype = 'c' and conrelid::regclass::text in
         ('risk.user_identities', 'risk_internal.rejected_records', 'risk_internal.staged_changes', 'risk_internal.staged_identities', 'risk_internal.staged_rejected')`),
      [],
    );
  });

  test('has a btree primary key that begins with account_key on every table in risk', async () => {
    const keys = await db.rows<{ name: string; first: string | null; method: string | null }>(`
      select c.relname as name, a.attname as first, m.amname as method
        from pg_class c
        left join pg_index i on i.indrelid = c.oid and i.indisprimary
        left join pg_class x on x.oid = i.indexrelid
        left join pg_am m on m.oid = x.relam
        left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
       where c.relnamespace = 'risk'::regnamespace and c.relkind = 'r' order by 1`);
    assert.equal(keys.length, 9);
    for (const key of keys) assert.deepEqual(key, { name: key.name, first: 'account_key', method: 'btree' });
  });

  test('allows a user at most one open level and one open identity', async () => {
    const open = await names(`
      select indexrelid::regclass::text as name from pg_index
       where indisunique and pg_get_expr(indpred, indrelid) ~ '^\\(valid_to IS NULL\\)$'`);
    assert.deepEqual(open, ['risk.user_identities_open', 'risk.user_levels_open']);
  });

  test('has a separate grant for emails and names', async () => {
    const allowed = async (fn: string) =>
      (
        await db.rows<{ allowed: boolean }>(
          `select has_function_privilege('public', '${fn}', 'execute') as allowed`,
        )
      )[0]?.allowed;
    assert.equal(await allowed('risk_bi.snapshot_users(bigint)'), false);
    assert.equal(await allowed('risk_bi.snapshot_users(text, bigint)'), false);
    assert.equal(await allowed('risk_bi.users_as_of(text, timestamptz)'), true);
    const granted = await names(`
      select table_schema || '.' || table_name as name from information_schema.table_privileges
       where table_schema like 'risk%' and grantee = 'PUBLIC'`);
    assert.deepEqual(granted, []);
  });

  test("has functions that ignore the caller's search_path and write nothing", async () => {
    const functions = await db.rows<{ name: string; safe: boolean }>(`
      select proname as name,
             provolatile <> 'v' and not prosecdef
               and (proconfig @> array['search_path=pg_catalog'] or prosqlbody is not null) as safe
        from pg_proc where pronamespace = 'risk_bi'::regnamespace order by 1`);
    const all = ZONED_VIEWS.map((view) => `${view}_in`);
    assert.deepEqual(
      functions,
      [...all, 'compare', 'days', 'hours', 'snapshot_users', 'snapshot_users', 'users_as_of']
        .toSorted()
        .map((name) => ({ name, safe: true })),
    );
  });

  const skip = onOnePostgres('these functions are not inlined there');
  test('inlines a function with a time zone like its view, filters included', { skip }, async () => {
    const functions = await db.rows<{ name: string }>(`
      select proname as name from pg_proc where pronamespace = 'risk_bi'::regnamespace and proname like '%\\_in'`);
    assert.ok(functions.length > 3);
    for (const { name } of functions) {
      const plan = await db.rows<{ 'QUERY PLAN': string }>(
        `explain select * from risk_bi.${name}('Asia/Tokyo') where account_id = 'acc'`,
      );
      const text = plan.map((row) => row['QUERY PLAN']).join('\n');
      assert.doesNotMatch(text, /Function Scan on \w*_in/, name);
      assert.match(text, /account_id = 'acc'/, name);
    }
  });
});
