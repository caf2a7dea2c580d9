// The questions under integrations/ against the oracle: asked as a reader without personal data, and as a subquery, which is
// what BI tools make of them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PoolClient } from '../../src/db/pool.ts';
import { createCalendar } from '../support/calendar.ts';
import { expectedAnswers, type Answers } from '../support/question-answers.ts';
import { expectedComparison, expectedUsers, expectedViews, type Past } from '../support/reporting-oracle.ts';
import { difference, readQuery } from '../support/reporting-rows.ts';
import { reportingWorld, type ReportingWorld } from '../support/reporting-world.ts';
import { expandMetabase, expandSuperset } from '../support/template-variables.ts';

const folder = path.resolve(import.meta.dirname, '../../integrations');
const filesOf = (name: string) =>
  readdirSync(path.join(folder, name)).filter((file) => file.endsWith('.sql'));
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');

let world: ReportingWorld;
let session: PoolClient;
let answers: Answers;

before(async () => {
  world = await reportingWorld();
  session = await world.reader.connect();
  // One snapshot of the database, so that its now stands still.
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
after(async () => {
  session.release(true);
  await world.close();
});

describe('integrations/sql', () => {
  const files = filesOf('sql');

  test('begins every file with its question, and ends none with a semicolon: tools read it as a subquery', () => {
    assert.equal(files.length, 12);
    for (const file of files) {
      assert.match(read(`sql/${file}`), /^-- [^\n]+\?/, file);
      assert.doesNotMatch(read(`sql/${file}`), /;\s*$/, file);
    }
  });

  for (const file of files)
    test(`${file} answers as the oracle does`, async () => {
      const rows = await readQuery(session, read(`sql/${file}`));
      assert.ok(rows.length > 0, 'no rows: a world without an answer proves nothing');
      const expected = answers[file] ?? assert.fail(`nobody knows the answer to ${file}`);
      assert.equal(difference(rows, expected), null);
    });
});

describe('questions with variables', () => {
  const day = (past: Past, nth: number) =>
    new Date(Number(past.oracle.snapshots.at(nth)!.at / 1000n)).toISOString().slice(0, 10);
  const busiest = () =>
    world.pasts.reduce((a, b) => (b.oracle.snapshots.length > a.oracle.snapshots.length ? b : a));
  const midnight = (date: string) => BigInt(Date.parse(date)) * 1000n;

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
      const expected = expectedComparison(past, midnight(from), midnight(to));
      assert.ok(expected.length > 0);
      assert.equal(difference(await readQuery(session, sql), expected), null);
    });

    test(`${tool}/users-as-of.sql tells who was where`, async () => {
      const past = busiest();
      const date = day(past, -1);
      const sql = expand(read(`${tool}/users-as-of.sql`), { account: past.accountId, date: { date } });
      const expected = expectedUsers(past, midnight(date)).asOf.map(({ snapshot_id: _id, ...row }) => row);
      assert.ok(expected.length > 0);
      assert.equal(difference(await readQuery(session, sql), expected), null);
    });
  }

  test('keep what their optional clauses choose', async () => {
    const past = busiest();
    const date = day(past, -1);
    const values = { account: past.accountId, date: { date }, level: 'high' };
    const rows = await readQuery(session, expandMetabase(read('metabase/users-as-of.sql'), values));
    const { asOf } = expectedUsers(past, midnight(date));
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
