// POST /sync: which accounts it starts, what it answers, and what it refuses to read.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { OperatorError, type ErrorCode } from '../../src/errors.ts';
import type { SyncStart } from '../../src/http/sync-route.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { startApp, TOKEN, type HttpApp } from '../support/api/http-app.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const headers = { authorization: `Bearer ${TOKEN}` };
const sync = (app: HttpApp, body?: string | Readable) =>
  app.ask('POST', '/sync', { headers, ...(body === undefined ? {} : { body }) });

function failure(code: ErrorCode): OperatorError {
  return new OperatorError({ code, happened: 'It happened', means: 'It means', todo: 'Do it' });
}

test('starts all configured accounts, or the named ones, each once', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const all = await sync(app);
  assert.equal(all.status, 202);
  assert.deepEqual(all.json, {
    accounts: [
      { account_id: 'a', status: 'started', run_id: 1 },
      { account_id: 'b', status: 'started', run_id: 2 },
    ],
  });
  for (const [body, expected] of [
    ['{}', ['a', 'b']],
    ['  ', ['a', 'b']],
    ['{"account_id":"b"}', ['b']],
    ['{"account_ids":["b","a","b"]}', ['b', 'a']],
  ] as const) {
    app.started.length = 0;
    assert.equal((await sync(app, body)).status, 202, body);
    assert.deepEqual(app.started, expected, body);
  }
});

test('an id in capitals starts the account of the same id in small letters', async (t) => {
  const id = 'ab'.repeat(16);
  const app = await startApp(t, { databaseUrl: db.url, accountIds: () => [id] });
  assert.equal((await sync(app, JSON.stringify({ account_ids: [id.toUpperCase(), id] }))).status, 202);
  assert.deepEqual(app.started, [id]);
});

test('reports that a run is under way, and where it runs', async (t) => {
  const running: SyncStart = {
    status: 'already_running',
    run_id: 41,
    since: '2026-11-25T12:00:03.000Z',
    host: 'x',
  };
  const app = await startApp(t, { databaseUrl: db.url, startSync: async () => running });
  const answer = await sync(app, '{"account_id":"a"}');
  assert.equal(answer.status, 202);
  assert.deepEqual(answer.json, { accounts: [{ account_id: 'a', ...running }] });
});

test('refuses an invalid body, and starts no account', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  for (const body of [
    '{',
    '[]',
    'null',
    '"a"',
    '{"account":"a"}',
    '{"account_id":1}',
    '{"account_ids":[]}',
    '{"account_ids":"a"}',
    '{"account_id":"a","account_ids":["b"]}',
    '{"account_id":"a","force":true}',
  ]) {
    const { status, json } = await sync(app, body);
    assert.deepEqual(
      [status, (json as { error: { code: string } }).error.code],
      [400, 'REQUEST_INVALID'],
      body,
    );
  }
  const unknown = await sync(app, '{"account_ids":["a","alice@example.com"]}');
  assert.equal(unknown.status, 400);
  assert.match(unknown.text, /ACCOUNT_NOT_CONFIGURED/);
  assert.ok(!unknown.text.includes('alice'));
  assert.deepEqual(app.started, []);
});

test('refuses more than 16 kB, declared or not, and reads a smaller body in pieces', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const pieces = (count: number) =>
    Readable.from(
      (function* () {
        yield Buffer.from('{"account_id":');
        for (let i = 0; i < count; i++) yield Buffer.alloc(1_000, ' ');
        yield Buffer.from('"a"}');
      })(),
    );
  for (const body of [`{"account_id":"a"}${' '.repeat(16_384)}`, pieces(20)]) {
    const { status, text } = await sync(app, body);
    assert.equal(status, 413);
    assert.match(text, /REQUEST_TOO_LARGE/);
  }
  assert.deepEqual(app.started, []);
  assert.equal((await sync(app, pieces(10))).status, 202);
  assert.deepEqual(app.started, ['a']);
});

test('says why each account could not be started, and fails only when none could', async (t) => {
  const errors: Record<string, Error> = {};
  const app = await startApp(t, {
    databaseUrl: db.url,
    startSync: async (accountId) => {
      const error = errors[accountId];
      if (error) throw error;
      return { status: 'queued' };
    },
  });
  errors['a'] = failure('ACCOUNT_RETIRED');
  const mixed = await sync(app);
  assert.equal(mixed.status, 202);
  assert.deepEqual(mixed.json, {
    accounts: [
      {
        account_id: 'a',
        status: 'failed',
        error: { code: 'ACCOUNT_RETIRED', message: 'It happened. It means. Do it.' },
      },
      { account_id: 'b', status: 'queued' },
    ],
  });
  errors['b'] = failure('DATABASE_UNAVAILABLE');
  assert.equal((await sync(app)).status, 500);
  errors['a'] = failure('DATABASE_UNAVAILABLE');
  assert.equal((await sync(app)).status, 503);
  errors['a'] = new Error(`a defect that quotes alice@example.com and ${TOKEN}`);
  const defect = await sync(app, '{"account_id":"a"}');
  assert.equal(defect.status, 500);
  assert.match(defect.text, /"code":"UNEXPECTED"/);
  assert.ok(!defect.text.includes('alice') && !defect.text.includes(TOKEN));
  assert.ok(app.logs.some(({ message }) => message === 'sync could not be started'));
});

test('starts nothing while the process stops', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, isStopping: () => true });
  const { status, text } = await sync(app);
  assert.equal(status, 503);
  assert.match(text, /"code":"STOPPING"/);
  assert.deepEqual(app.started, []);
});
