// The queries under integrations/ and docs/reporting.md compared with the oracle, run as a reader without personal
// data, and as a subquery, because BI tools do that.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PoolClient } from '../../src/db/pool.ts';
import { insertAccount } from '../support/database/insert-account.ts';
import { createCalendar } from '../support/oracle/reporting/calendar.ts';
import { testPool } from '../support/database/migrated-database.ts';
import { expectedAnswers, type Answers } from '../support/oracle/reporting/question-answers.ts';
import { expectedComparison, expectedUsers } from '../support/oracle/reporting/users.ts';
import { expectedViews } from '../support/oracle/reporting/reporting-oracle.ts';
import type { Past } from '../support/oracle/reporting/past.ts';
import { difference, readQuery } from '../support/oracle/reporting/rows.ts';
import type { ReportingWorld } from '../support/world/reporting-world.ts';
import { sharedWorld } from './shared-world.ts';
import { expandMetabase, expandSuperset } from './template-variables.ts';

const folder = path.resolve(import.meta.dirname, '../../integrations');
const filesOf = (name: string) =>
  readdirSync(path.join(folder, name)).filter((file) => file.endsWith('.sql'));
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');

let world: ReportingWorld;
let session: PoolClient;
let answers: Answers;

before(async () => {
  world = await sharedWorld();
  session = await world.reader.connect();
  // One transaction, so that now() stands still.
  await session.query('begin isolation level repeatable read read only');
  const { rows } = await session.query<{ now: string; zone: string }>(
    "select (extract(epoch from now()) * 1000000)::bigint as now, current_setting('timezone') as zone",
  );
  const [{ now, zone } = assert.fail()] = rows;
  const calendar = createCalendar(zone);
  answers = expectedAnswers(
    world.pasts,
    expectedViews(world.pasts, calendar, BigInt(now)),
    calendar,
    BigInt(now),
  );
});
after(() => session.release(true));

describe('integrations/sql', () => {
  const files = filesOf('sql');

  test('begins every file with its question, and ends none with a semicolon, because tools use it as a subquery', () => {
    assert.equal(files.length, 12);
    for (const file of files) {
      assert.match(read(`sql/${file}`), /^-- [^\n]+\?/, file);
      assert.doesNotMatch(read(`sql/${file}`), /;\s*$/, file);
    }
  });

  for (const file of files)
    test(`${file} agrees with the oracle`, async () => {
      const rows = await readQuery(session, read(`sql/${file}`));
      assert.ok(rows.length > 0, 'no rows: a world without an answer proves nothing');
      const expected = answers[file] ?? assert.fail(`no expected answer for ${file}`);
      assert.equal(difference(rows, expected), null);
    });
});

describe('questions with variables', () => {
  const day = (past: Past, nth: number) =>
    new Date(Number(past.oracle.snapshots.at(nth)!.at / 1000n)).toISOString().slice(0, 10);
  const busiest = () =>
    world.pasts.reduce((a, b) => (b.oracle.snapshots.length > a.oracle.snapshots.length ? b : a));
  // As risk_level_daily has it; the session's days are days in UTC.
  const endOf = (date: string) => BigInt(Date.parse(date) + 86_400_000) * 1000n - 1n;

  test('are the same for Metabase and Superset', () => {
    assert.deepEqual(filesOf('metabase'), ['two-dates.sql', 'users-as-of.sql']);
    assert.deepEqual(filesOf('superset'), filesOf('metabase'));
  });

  for (const tool of ['metabase', 'superset'] as const) {
    const expand = tool === 'metabase' ? expandMetabase : expandSuperset;

    test(`${tool}/two-dates.sql compares two dates`, async () => {
      const past = busiest();
      const [from, to] = [day(past, 4), day(past, -1)];
      const sql = expand(read(`${tool}/two-dates.sql`), {
        account: past.accountId,
        from_date: { date: from },
        to_date: { date: to },
      });
      const expected = expectedComparison(past, endOf(from), endOf(to));
      assert.ok(expected.length > 0);
      const shown = expected.map(({ from_level_rank: _from, to_level_rank: _to, ...row }) => row);
      assert.equal(difference(await readQuery(session, sql), shown), null);
    });

    test(`${tool}/users-as-of.sql shows each user's level at a time`, async () => {
      const past = busiest();
      const date = day(past, -1);
      const sql = expand(read(`${tool}/users-as-of.sql`), { account: past.accountId, date: { date } });
      const expected = expectedUsers(past, endOf(date)).asOf.map(
        ({ snapshot_id: _id, level_rank: _rank, ...row }) => row,
      );
      assert.ok(expected.length > 0);
      assert.equal(difference(await readQuery(session, sql), expected), null);
    });
  }

  test('keep only the rows that their optional clauses choose', async () => {
    const past = busiest();
    const date = day(past, -1);
    const values = { account: past.accountId, date: { date }, level: 'high' };
    const rows = await readQuery(session, expandMetabase(read('metabase/users-as-of.sql'), values));
    const { asOf } = expectedUsers(past, endOf(date));
    assert.equal(rows.length, asOf.filter((row) => row['max_risk_level'] === 'high').length);
    const changed = expandMetabase(read('metabase/two-dates.sql'), {
      account: past.accountId,
      from_date: { date: day(past, 4) },
      to_date: { date },
      change: 'raised',
    });
    for (const row of await readQuery(session, changed)) assert.equal(row['change'], 'raised');
  });
});

describe('docs/reporting.md', () => {
  const page = readFileSync(path.resolve(folder, '../docs/reporting.md'), 'utf8');
  const section = (title: string) =>
    (page.split(new RegExp(`^## ${title}$`, 'm'))[1] ?? assert.fail(title)).split(/^## /m)[0] ?? '';
  const questions = section('Twelve questions')
    .split(/^### /m)
    .slice(1)
    .map((text) => ({
      title: /^\d+\. (.+)$/m.exec(text)?.[1],
      sql: /^```sql\n(.*?);\n```$/ms.exec(text)?.[1],
      picture: /^```text\n(.*?)\n```$/ms.exec(text)?.[1]?.split('\n') ?? [],
    }));

  test('contains the queries of integrations/sql word for word', () => {
    assert.deepEqual(
      questions.map(({ title, sql }) => [title, sql]),
      filesOf('sql').map((file) => {
        const [, title, rest] = /^-- ([^\n]+?\?)[^\n]*\n(.*)\n$/s.exec(read(`sql/${file}`)) ?? [];
        return [title, rest];
      }),
    );
  });

  test('shows answers as psql prints them, with the columns that the queries return', async () => {
    for (const { sql = '', picture } of questions) {
      const { fields } = await session.query(`select * from (${sql}) q limit 0`);
      const [head = '', , ...rows] = picture;
      assert.deepEqual(
        head.split('|').map((name) => name.trim()),
        fields.map(({ name }) => name),
      );
      assert.match(rows.at(-1) ?? '', /^\((\d+ of )?\d+ rows?\)$/);
      for (const row of rows.slice(0, -1)) assert.equal(row.split('|').length, fields.length, row);
    }
  });

  test('draws every view, with lines by columns that exist at both ends', async () => {
    const { rows } = await world.database.pool.query<{ view: string; columns: string[] }>(
      `select table_name as view, array_agg(column_name::text) as columns from information_schema.columns
        where table_schema = 'risk_bi' group by 1`,
    );
    const columns = new Map(rows.map((row) => [row.view, row.columns]));
    const lines = [...page.matchAll(/^ {2}(\w+) \S+--\S+ (\w+) : (.+)$/gm)];
    for (const [line, one = '', other = '', on = ''] of lines) {
      const [left = '', right = left] = on.replaceAll('"', '').split(' = ');
      assert.ok(columns.get(one)?.includes(left) && columns.get(other)?.includes(right), line);
    }
    const drawn = new Set(lines.flatMap(([, one, other]) => [one, other]));
    assert.deepEqual([...drawn].toSorted(), [...columns.keys()].toSorted());
  });

  test('finds the accounts that never got past their first load', async () => {
    const [, sql = ''] =
      /^```sql\n(select account_id.*?);\n```$/ms.exec(section('First load, and retired accounts')) ?? [];
    const added = 'ab'.repeat(16);
    const client = await world.database.pool.connect();
    try {
      await client.query('begin');
      await insertAccount(client, added);
      const { rows } = await client.query<{ account_id: string }>(sql);
      const never = world.pasts.filter(
        ({ retiredAt, oracle }) =>
          retiredAt === null && oracle.snapshots.every(({ verdict }) => verdict === 'partial'),
      );
      assert.deepEqual(
        rows.map((row) => row.account_id).toSorted(),
        [added, ...never.map(({ accountId }) => accountId)].toSorted(),
      );
    } finally {
      await client.query('rollback');
      client.release();
    }
  });

  test('creates a login that can read but not write', async () => {
    const [, sql = ''] = /^```sql\n(create role grafana .*?)^```$/ms.exec(section('Roles')) ?? [];
    await world.database.pool.query(sql);
    const pool = testPool(
      Object.assign(new URL(world.database.url), { username: 'grafana', password: '...' }).href,
    );
    try {
      await pool.query('select from risk_bi.users');
      await assert.rejects(pool.query('create temporary table t ()'), { code: '25006' });
    } finally {
      await pool.end();
    }
  });
});
