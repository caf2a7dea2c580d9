// Functions of risk_bi as a distributed history has them. They need no Citus: the same functions on one PostgreSQL
// answer alike.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { distributeFunctions, inPlpgsql } from '../../../src/db/distribute/distribute-functions.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { ACCOUNTS, fill } from '../../support/histories/personal-history.ts';
import { ZONED_VIEWS } from '../../support/database/zoned-views.ts';

let db: MigratedDatabase;

before(async () => {
  db = await migratedDatabase();
  await fill(db.pool);
  await db.pool.query(
    `update risk.accounts set retired_at = '2026-03-01' where account_id = '${ACCOUNTS[1]}'`,
  );
});
after(() => db.close());

const ZONED = "pronamespace = 'risk_bi'::regnamespace and proname like '%\\_in'";
const SPANS = [
  "'Asia/Tokyo', null, null, '2026-02-01'",
  `'Europe/Berlin', array['${ACCOUNTS[0]}'], '2026-01-02T01:00:00Z', '2026-02-14T23:30:00Z'`,
  "'America/St_Johns', null, '2026-01-20T12:00:00Z', '2026-02-14'",
];

/** What the catalog says of the functions, and what they answer. */
async function everything() {
  const names = (await db.rows<{ name: string }>(`select proname as name from pg_proc where ${ZONED}`)).map(
    ({ name }) => name,
  );
  assert.deepEqual(names.toSorted(), ZONED_VIEWS.map((view) => `${view}_in`).toSorted());
  const answers = [];
  for (const name of names.toSorted())
    for (const span of SPANS) {
      const [row] = await db.rows<{ rows: string; n: number }>(`
        select jsonb_agg(to_jsonb(f) - 'age_at_end_seconds' order by to_jsonb(f)::text)::text as rows, count(*)::int as n
          from risk_bi.${name}(${span}) f`);
      if (span === SPANS[0] && name !== 'sync_coverage_in') assert.ok(row!.n > 0, name);
      answers.push({ call: `${name}(${span})`, ...row });
    }
  const notes = await db.rows(`
    select oid::regprocedure::text as name, proacl::text as grants, pg_get_function_arguments(oid) as arguments,
           pg_get_function_result(oid) as result, obj_description(oid) as comment, provolatile as volatile
      from pg_proc where ${ZONED} order by 1`);
  return { answers, notes };
}

test('functions in plpgsql return the same rows, and keep arguments, comments and grants', async () => {
  await db.pool.query('grant execute on function risk_bi.activity_daily_in to public');
  const first = await everything();
  const languages = () =>
    db.rows<{ language: string; n: number }>(
      `select lanname as language, count(*)::int as n from pg_proc join pg_language l on l.oid = prolang where ${ZONED} group by 1`,
    );
  assert.deepEqual(await languages(), [{ language: 'sql', n: ZONED_VIEWS.length }]);
  // A second time, there is nothing to do.
  for (let turn = 0; turn < 2; turn++) {
    await inTransaction(db.pool, DEFAULT_LIMITS, distributeFunctions);
    assert.deepEqual(await languages(), [{ language: 'plpgsql', n: ZONED_VIEWS.length }]);
    assert.deepEqual(await everything(), first);
  }
});

test('a function that is not a single query is refused', () => {
  assert.throws(() => inPlpgsql('CREATE FUNCTION f() LANGUAGE c'), /not a function of one query/);
});

test('for a zone name that PostgreSQL reads as an offset, days equal those of a session with that zone', async () => {
  const names = await db.rows<{ name: string }>(
    'select z.name from pg_timezone_names z join pg_timezone_abbrevs a on a.abbrev = upper(z.name) order by 1',
  );
  assert.ok(names.length > 4);
  const session = await db.pool.connect();
  try {
    for (const { name } of [...names, { name: 'Europe/Berlin' }, { name: 'Atlantic/Azores' }]) {
      await session.query(`set time zone '${name}'`);
      const { rows } = await session.query(
        `select d.day::text as day from risk_bi.days('2025-01-01', '2025-12-31', $1) d
          where (d.starts_at::date, (d.starts_at - interval '1 second')::date, (d.ends_at - interval '1 second')::date)
                is distinct from (d.day, d.day - 1, d.day)`,
        [name],
      );
      assert.deepEqual(rows, [], name);
    }
  } finally {
    session.release(true);
  }
});
