// What people and BI tools rely on in the columns of risk_bi, apart from their names. Types that every tool reads. A
// name and an order for charts without a join. A warning at each number that must not be added up over time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

type Column = { relation: string; name: string; type: string; comment: string | null };

/** Numbers that may be added up over time: they count what happened. */
const FLOWS = [
  'appeared raised lowered cleared returned change_count snapshot_count',
  'run_count succeeded_count failed_count abandoned_count complete_count partial_count',
  'expected_slot_count slot_count slot_succeeded_count day_count observed_day_count',
  'passes pages requests retries bytes duplicates rejected lookups',
  // One row per period, return or run: each second is counted once.
  'duration_seconds away_seconds period_count',
].flatMap((names) => names.split(' '));
/** Numbers that are names, keys or an order. */
const NAMES =
  /^(account_key|user_key|run_id|snapshot_id|feed_id|good_up_to|rank|\w*level_rank|level_(before|after)_rank|year|quarter|month|day_of_month|iso_\w+)$/;
const NUMBERS = ['integer', 'bigint', 'double precision', 'numeric'];

let db: MigratedDatabase;
let columns: Column[];

before(async () => {
  db = await migratedDatabase();
  columns = await db.rows<Column>(
    `select c.relnamespace::regnamespace || '.' || c.relname as relation, a.attname as name,
            format_type(a.atttypid, null) as type, col_description(c.oid, a.attnum) as comment
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace in ('risk'::regnamespace, 'risk_bi'::regnamespace) and c.relkind in ('r', 'v')
      order by c.oid, a.attnum`,
  );
  assert.ok(columns.length > 250);
});
after(() => db.close());

const place = ({ relation, name }: Column) => `${relation}.${name}`;
const views = () => columns.filter(({ relation }) => relation.startsWith('risk_bi.'));

test('views and functions return only types that every BI tool reads: intervals crash polars, and JDBC shows an object', async () => {
  const results = await db.rows<Column>(
    `select p.proname as relation, every.name, format_type(every.type, null) as type, null as comment
       from pg_proc p, unnest(p.proargnames, p.proallargtypes, p.proargmodes) as every (name, type, mode)
      where p.pronamespace = 'risk_bi'::regnamespace and every.mode = 't'`,
  );
  assert.ok(results.length > 60);
  const read = [...NUMBERS, 'text', 'uuid', 'boolean', 'date', 'timestamp with time zone'];
  assert.deepEqual(
    [...views(), ...results]
      .filter(({ type }) => !read.includes(type))
      .map((one) => `${place(one)} ${one.type}`),
    [],
  );
});

test('every number says never to add it up over time, unless it counts what happened', () => {
  const numbers = columns.filter(({ name, type }) => NUMBERS.includes(type) && !NAMES.test(name));
  const warned = (comment: string | null) => /never add it up over time/i.test(comment ?? '');
  assert.deepEqual(
    numbers.filter(({ name, comment }) => !FLOWS.includes(name) && !warned(comment)).map(place),
    [],
  );
  assert.deepEqual(
    columns.filter((one) => warned(one.comment) && !numbers.some((number) => number === one)).map(place),
    [],
  );
  assert.deepEqual(
    numbers.filter(({ name, comment }) => FLOWS.includes(name) && warned(comment)).map(place),
    [],
  );
  const names = new Set(numbers.map(({ name }) => name));
  assert.deepEqual(
    FLOWS.filter((name) => !names.has(name)),
    [],
  );
});

test('views name the account, and every level has its order beside it, at their end', () => {
  const byView = Map.groupBy(views(), ({ relation }) => relation);
  for (const [view, list] of byView) {
    const names = list.map(({ name }) => name);
    // Feeds name the account of a clock, for programs.
    if (!names.includes('account_id') || /feed_(clock|epochs)$/.test(view)) continue;
    const last = names.slice(names.indexOf('account_label') + 1);
    assert.ok(names.includes('account_label'), view);
    // high_risk_episodes holds one level only.
    const levels = names.filter((name) => /(^|_)level($|_(before|after)$)/.test(name));
    const ranks = levels.map((name) => (name === 'max_risk_level' ? 'level_rank' : `${name}_rank`));
    assert.deepEqual(last.toSorted(), ranks.toSorted(), view);
  }
  const results = [...byView.keys()].filter((view) => view.includes('level') || view.includes('risk'));
  assert.ok(results.length > 8);
});
