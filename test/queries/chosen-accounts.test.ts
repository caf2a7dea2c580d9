// Questions about some accounts: nothing of another account is in the answer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { answerTo } from '../../src/queries/question.ts';
import { readOnly } from '../../src/db/read-only.ts';
import { accountHealth } from '../../src/queries/accounts/account-health.ts';
import { wholeSince } from '../../src/queries/accounts/whole-since.ts';
import { erasureOfPerson, erasureUnder } from '../../src/queries/people/list-erased.ts';
import { listUnkept } from '../../src/queries/rejected/list-unkept.ts';
import { findRun } from '../../src/queries/runs/list-runs.ts';
import { oneRun, runLedger } from '../../src/queries/runs/run-ledger.ts';
import { walksSince } from '../../src/queries/runs/walks-since.ts';
import { findUsers } from '../../src/queries/users/find-users.ts';
import { createPersonSearch } from '../../src/queries/users/person-search.ts';
import { searchIdentities } from '../../src/queries/users/search-identities.ts';
import { createPool } from '../../src/db/pool.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { uuidOf } from '../support/world/random-world.ts';

const [ONE, TWO] = ['1'.repeat(32), '2'.repeat(32)];
const at = (hour: number) => `2026-01-01T0${hour}:00:00Z`;
let db: MigratedDatabase;
let one: number;
let two: number;
const runs: number[] = [];
before(async () => {
  db = await migratedDatabase();
  const history = sampleHistory(db.pool);
  [one, two] = [await history.account(ONE), await history.account(TWO)];
  runs.push(
    await history.snapshot(one, at(1), { evidence: { rejected_not_kept: { 'email: not text': 3 } } }),
    await history.snapshot(two, at(2), {
      verdict: 'partial',
      evidence: { rejected_not_kept: { 'email: not text': 5, 'name: not text': 8 } },
    }),
    await history.snapshot(two, at(3), {
      evidence: { rejected_not_kept: { 'email: not text': 2, 'name: not text': 4 } },
    }),
    await history.run({
      account_key: two,
      started_at: at(4),
      status: 'failed',
      error_code: 'NETWORK',
      error_message: 'x',
    }),
  );
  for (const [account_key, level] of [
    [one, 'low'],
    [two, 'high'],
  ] as const) {
    const user_key = await history.user({
      account_key,
      user_id: uuidOf('ada'),
      first_seen_at: at(1),
      max_risk_level: level,
      level_since: at(1),
    });
    await history.identities([
      { account_key, user_key, valid_from: at(1), email: 'Ada@Example.com', name: 'Ada' },
    ]);
  }
});
after(() => db.close());

test('a run is found by its id, and only among the accounts that were asked for', async () => {
  const pool = drizzle(db.pool);
  assert.equal((await findRun(pool, runs[1]!, undefined))?.account_id, TWO);
  assert.equal((await findRun(pool, runs[1]!, [one, two]))?.account_id, TWO);
  assert.equal(await findRun(pool, runs[1]!, [one]), undefined);
  assert.equal(await findRun(pool, 4_711, undefined), undefined);
  for (const [accountIds, found] of [
    [null, 1],
    [[TWO], 1],
    [[ONE], 0],
  ] as const)
    assert.equal((await answerTo(pool, oneRun(runs[1]!, accountIds))).length, found);
});

test('the list of runs can be narrowed by account, status, verdict and time, and goes on after a row', async () => {
  const listed = async (
    accountIds: readonly string[] | null,
    more: { status?: string; verdict?: string; from?: string; after?: readonly [string, number] } = {},
  ) => {
    const filter = {
      from: new Date(more.from ?? at(0)),
      to: new Date(at(5)),
      status: more.status ?? null,
      verdict: more.verdict ?? null,
    };
    const rows = await answerTo(
      drizzle(db.pool),
      runLedger(accountIds, filter, { after: more.after ?? null, most: 10 }),
    );
    return rows.map(({ run_id }) => run_id);
  };
  const [first, second, third, fourth] = runs as [number, number, number, number];
  assert.deepEqual(await listed(null), [fourth, third, second, first]);
  assert.deepEqual(await listed([TWO]), [fourth, third, second]);
  assert.deepEqual(await listed(null, { status: 'failed' }), [fourth]);
  assert.deepEqual(await listed(null, { verdict: 'complete' }), [third, first]);
  assert.deepEqual(await listed([TWO], { verdict: 'partial', status: 'succeeded' }), [second]);
  assert.deepEqual(await listed(null, { from: at(3) }), [fourth, third]);
  assert.deepEqual(await listed(null, { after: [at(3), third] }), [second, first]);
});

test('records that were only counted are those of the newest walk of each account that was asked for', async () => {
  const counted = [
    { account_id: ONE, reason: 'email: not text', records: 3 },
    { account_id: TWO, reason: 'name: not text', records: 4 },
    { account_id: TWO, reason: 'email: not text', records: 2 },
  ];
  const pool = drizzle(db.pool);
  assert.deepEqual(await listUnkept(pool, {}), counted);
  assert.deepEqual(await listUnkept(pool, { accountKeys: [two] }), counted.slice(1));
  assert.deepEqual(await listUnkept(pool, { accountKeys: [] }), []);
});

test('walks are counted by verdict from an instant on, that instant included', async () => {
  const pool = drizzle(db.pool);
  assert.deepEqual(await walksSince(pool, two, at(2)), { complete: 1, partial: 1 });
  assert.deepEqual(await walksSince(pool, two, at(3)), { complete: 1, partial: 0 });
  assert.deepEqual(await walksSince(pool, two, at(4)), { complete: 0, partial: 0 });
});

test('a person is found in the accounts that were asked for, and an unknown text finds no person', async () => {
  const pool = drizzle(db.pool);
  const levels = async (...asked: Parameters<typeof findUsers>) =>
    (await findUsers(...asked)).map(({ max_risk_level }) => max_risk_level);
  const email = createPersonSearch('ada@example.com', null);
  const idRange = [uuidOf('ada'), uuidOf('ada')] as const;
  for (const by of [{ email }, { idRange }]) {
    assert.deepEqual(await levels(pool, by), ['low', 'high']);
    assert.deepEqual(await levels(pool, by, [two]), ['high']);
    assert.deepEqual(await levels(pool, by, []), []);
  }
  assert.deepEqual(await levels(pool, { email: createPersonSearch('bob@example.com', null) }), []);

  const search = (text: string, keys: number[], most = 10) =>
    searchIdentities(pool, createPersonSearch(text, null), keys, most);
  assert.deepEqual(await search('ada', [one, two]), { ids: [uuidOf('ada')], count: 2 });
  assert.deepEqual(await search('ada', [one, two], 1), { ids: [uuidOf('ada')], count: 2 });
  assert.deepEqual(await search('bob', [one, two]), { ids: [], count: 0 });
  assert.deepEqual(await search('ada', []), { ids: [], count: 0 });
});

test('a role learns since when the history is whole only if it may know it', async () => {
  await db.rows(
    `insert into risk.retention (account_key, dataset, whole_since, row_count, pruned_at, feed_id)
     values ($1, 'levels', $2, 7, $3, 1), ($4, 'runs', $2, 1, $3, 1)`,
    [one, at(2), at(3), two],
  );
  assert.deepEqual(await wholeSince(db.pool, one), [
    { part: 'levels', since: new Date(at(2)), rows: 7, prunedAt: new Date(at(3)) },
  ]);
  const role = `whole_since_reader_${process.pid}`;
  await db.rows(`create role ${role} login password 'reader'`);
  await db.rows(`grant usage on schema risk to ${role}`);
  const url = Object.assign(new URL(db.url), { username: role, password: 'reader' }).href;
  const pool = createPool({ url, max: 1, logger: { warn() {} } });
  try {
    assert.deepEqual(await wholeSince(pool, one), []);
    await db.rows(`grant select on risk.retention to ${role}`);
    assert.equal((await wholeSince(pool, one)).length, 1);
  } finally {
    await pool.end();
    await db.rows(`drop owned by ${role}`);
    await db.rows(`drop role ${role}`);
  }
});

test('an account whose first run failed has that run, and no snapshot', async () => {
  const history = sampleHistory(db.pool);
  const key = await history.account('3'.repeat(32));
  const runId = await history.run({
    account_key: key,
    started_at: at(5),
    status: 'failed',
    error_code: 'NETWORK',
    error_message: 'x',
  });
  const ask = (accountId: string) =>
    readOnly(db.pool, { statementMs: 5_000, lockMs: 5_000 }, (tx) => accountHealth(tx, accountId));
  const health = await ask('3'.repeat(32));
  assert.equal(health?.snapshot, null);
  assert.equal(health?.newestRun?.runId, runId);
  assert.equal(health?.failuresSince, 1);
  assert.equal((await ask(TWO))?.newestRun?.runId, runs[3]);
  assert.equal(await ask('4'.repeat(32)), null);
});

test('of a person who was never erased there is no erasure, by neither id', async () => {
  const pool = drizzle(db.pool);
  assert.equal(await erasureOfPerson(pool, uuidOf('ada')), null);
  assert.equal(await erasureUnder(pool, uuidOf('ada')), null);
});
