// What all lists of the API have in common: 304, CSV, pages, problems, and the OpenAPI document.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import { csv } from '../../../src/http/api/list-route.ts';
import { cut, readCursor, writeCursor } from '../../../src/http/cursor.ts';
import { entityTag, isKnown } from '../../../src/http/api/entity-tag.ts';
import type { MigratedDatabase } from '../../support/database/migrated-database.ts';
import { readerDatabase } from '../../support/database/reader-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { startApp } from '../../support/api/http-app.ts';

let database: MigratedDatabase;

before(async () => {
  database = await readerDatabase(async ({ pool }) => {
    const history = sampleHistory(pool);
    const account = await history.account('a'.repeat(32));
    await history.run({
      account_key: account,
      started_at: new Date(Date.now() - 3_600_000).toISOString(),
      snapshot_id: 1,
      verdict: 'complete',
    });
    await history.snapshot(account, new Date(Date.now() - 3_600_000).toISOString());
  });
});

after(() => database.close());

async function ask(t: TestContext, path: string, headers: Record<string, string> = {}) {
  const app = await startApp(t, { databaseUrl: database.url, token: null });
  return app.ask('GET', `/api/v1${path}`, { headers });
}

const FIXED = '/trend?from=2026-01-01&to=2026-01-20';

test('an answer is not sent again until something is written', async (t) => {
  const { status, headers } = await ask(t, FIXED);
  assert.equal(status, 200);
  const tag = String(headers['etag']);
  const again = await ask(t, FIXED, { 'if-none-match': tag });
  assert.deepEqual([again.status, again.text, again.headers['etag']], [304, '', tag]);
  assert.equal((await ask(t, `${FIXED}&tz=Asia/Tokyo`, { 'if-none-match': tag })).status, 200);
  assert.equal((await ask(t, `${FIXED}&format=csv`, { 'if-none-match': tag })).status, 200);
  await database.pool.query('update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1');
  const later = await ask(t, FIXED, { 'if-none-match': tag });
  assert.equal(later.status, 200);
  assert.notEqual(later.headers['etag'], tag);
});

test('a failed answer has no tag, so that no client keeps it until the history changes', async (t) => {
  for (const path of [
    '/trend?account=nobody',
    '/users?cursor=x',
    '/runs/999999',
    `/users/${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`,
  ]) {
    const { status, headers } = await ask(t, path);
    assert.ok(status >= 400, path);
    assert.deepEqual([headers['etag'], headers['cache-control']], [undefined, 'no-store'], path);
  }
});

test('a time zone is one that this program and PostgreSQL know', async (t) => {
  for (const zone of ['Europe/Berlin', 'europe/berlin', 'Etc/GMT+5', 'UTC'])
    assert.equal((await ask(t, `/coverage?tz=${encodeURIComponent(zone)}`)).status, 200, zone);
  // Only ICU knows the first one, and only PostgreSQL the next two.
  for (const zone of ['US/Pacific-New', '<+05:30>-05:30', 'UTC0', 'x', '+5', '+24:00'])
    for (const path of ['/coverage', '/trend', '/levels']) {
      const { status, text } = await ask(t, `${path}?tz=${encodeURIComponent(zone)}`);
      const { code, title } = JSON.parse(text) as { code: string; title: string };
      const isOurs = zone === 'US/Pacific-New';
      assert.deepEqual([status, code], [400, isOurs ? 'TIMEZONE_UNKNOWN' : 'SCOPE_INVALID'], zone);
      if (isOurs) assert.match(title, /US\/Pacific-New/);
    }
});

test('a positive offset is ahead of UTC, although PostgreSQL reads it the other way round', async (t) => {
  for (const path of [
    '/coverage?range=7d',
    '/trend?range=7d',
    '/trend?range=7d&step=day',
    '/trend?range=24h',
  ]) {
    const rows = async (zone: string) =>
      (await ask(t, `${path}&tz=${encodeURIComponent(zone)}`)).text.replaceAll(/\.\d+Z/g, 'Z');
    const expected = await rows('Asia/Kolkata');
    for (const zone of ['+05:30', '+0530']) assert.equal(await rows(zone), expected, `${path} ${zone}`);
  }
});

test('a span that begins before 1970 is answered like one since 1970', async (t) => {
  for (const path of ['/response-times', '/trend', '/changes', '/coverage'])
    assert.equal((await ask(t, `${path}?from=99999w`)).status, 200, path);
});

test('a tag is valid for one state of the history, one role, one form and, if the answer depends on now, one hour', () => {
  const asked = { address: '/x', form: 'json', role: 'r', version: '1', isOfNow: false } as const;
  const clock = { written: 'a/1', hour: 7 };
  const tag = entityTag(asked, clock);
  assert.equal(entityTag(asked, { ...clock, hour: 8 }), tag);
  for (const other of [
    entityTag({ ...asked, isOfNow: true }, clock),
    entityTag({ ...asked, role: 's' }, clock),
    entityTag({ ...asked, form: 'csv' }, clock),
    entityTag({ ...asked, version: '2' }, clock),
    entityTag(asked, { ...clock, written: 'a/2' }),
  ])
    assert.notEqual(other, tag);
  const ofNow = { ...asked, isOfNow: true };
  assert.notEqual(entityTag(ofNow, clock), entityTag(ofNow, { ...clock, hour: 8 }));
  assert.ok(isKnown(tag, `"other", ${tag.replace('W/', '')}`));
  assert.ok(!isKnown(tag, '"other"') && !isKnown(tag, undefined));
});

test('the answer is a file if the address or the header asks for one', async (t) => {
  const json = (await ask(t, '/levels')).json as { levels: Record<string, unknown>[] };
  const byHeader = await ask(t, '/levels', { accept: 'text/csv' });
  const byAddress = await ask(t, '/levels?format=csv');
  assert.equal(byHeader.text, byAddress.text);
  assert.equal(byAddress.headers['content-type'], 'text/csv; charset=utf-8');
  assert.match(String(byAddress.headers['content-disposition']), /levels\.csv/);
  const [head, ...lines] = byAddress.text.trim().split('\r\n');
  assert.equal(head, Object.keys(json.levels[0]!).join(','));
  assert.deepEqual(
    lines,
    json.levels.map((row) => Object.values(row).join(',')),
  );
});

test('text that a spreadsheet would run gets an apostrophe, and numbers keep their sign', () => {
  const rows = [{ name: '=HYPERLINK("http://x")', count: -1, is: false, nothing: null }];
  assert.equal(
    csv(['name', 'count', 'is', 'nothing'], rows),
    'name,count,is,nothing\r\n"\'=HYPERLINK(""http://x"")",-1,false,\r\n',
  );
});

test('a parameter that cannot be read is a problem with a code, and so is an unknown path or account', async (t) => {
  for (const [path, status, code] of [
    ['/trend?range=forever', 400, 'SCOPE_INVALID'],
    ['/trend?step=minute', 400, 'PARAMETER_INVALID'],
    ['/trend?range=all&from=2020-01-01&step=snapshot', 400, 'SCOPE_INVALID'],
    ['/trend?from=2026-02-01&to=2026-01-01', 400, 'TIMES_SWAPPED'],
    ['/levels?at=nonsense', 400, 'SCOPE_INVALID'],
    ['/coverage?account=nobody', 404, 'ACCOUNT_UNKNOWN'],
    ['/nothing', 404, 'NOT_FOUND'],
  ] as const) {
    const answer = await ask(t, path);
    assert.equal(answer.headers['content-type'], 'application/problem+json', path);
    const problem = JSON.parse(answer.text) as { status: number; code: string };
    assert.deepEqual([answer.status, problem.status, problem.code], [status, status, code], path);
  }
});

test('a number in an address is written in decimal digits alone', async (t) => {
  const odd = [
    '1e2',
    ' 1',
    '1 ',
    '0x10',
    '1.0',
    '+1',
    '-1',
    '0',
    '1_0',
    '\u0661',
    '9007199254740992',
    '9'.repeat(40),
  ];
  for (const text of odd.map(encodeURIComponent))
    for (const path of [`/runs/${text}`, `/runs?limit=${text}`, `/changes?limit=${text}`]) {
      const answer = await ask(t, path);
      const { code, detail } = JSON.parse(answer.text) as { code: string; detail: string };
      assert.deepEqual([answer.status, code], [400, 'PARAMETER_INVALID'], path);
      assert.match(
        detail,
        /^(?:run_id|limit): must be a whole number from 1 to \d+, in decimal digits$/,
        path,
      );
    }
  assert.equal((await ask(t, '/runs/9007199254740991')).status, 404);
  assert.equal((await ask(t, '/runs?limit=1000')).status, 200);
});

test('pages of a list cover it without gaps and without repeats', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer()), fc.integer({ min: 1, max: 7 }), (values, limit) => {
      const sorted = values.toSorted((a, b) => a - b);
      const met: number[] = [];
      let cursor: string | null = null;
      do {
        const after: [number] | null = readCursor(cursor, z.tuple([z.number()]));
        const rest: number[] = sorted.filter((value) => after === null || value > after[0]);
        const page: { rows: number[]; next: string | null } = cut(
          rest.slice(0, limit + 1),
          limit,
          (value) => [value],
        );
        met.push(...page.rows);
        cursor = page.next;
      } while (cursor !== null);
      assert.deepEqual(met, sorted);
    }),
  );
});

const FAILED = { status: 'failed', error_code: 'NETWORK', error_message: 'No answer' } as const;

test('an answer of a list has 100 rows and leads on; its file has all', async (t) => {
  const history = sampleHistory(database.pool);
  const [account] = await database.rows<{ account_key: number }>('select account_key from risk.accounts');
  const started = (nth: number) => new Date(Date.now() - 7_200_000 - nth * 60_000).toISOString();
  for (let nth = 0; nth < 120; nth += 1)
    await history.run({
      ...FAILED,
      account_key: account!.account_key,
      run_id: 100 + nth,
      started_at: started(nth),
    });
  const { runs, next_cursor } = (await ask(t, '/runs')).json as { runs: unknown[]; next_cursor: string };
  assert.equal(runs.length, 100);
  const rest = (await ask(t, `/runs?cursor=${next_cursor}`)).json as { runs: unknown[] };
  const file = await ask(t, '/runs?format=csv');
  assert.equal(file.text.trimEnd().split('\r\n').length, 1 + 100 + rest.runs.length);
});

test('an answer about a span with deleted rows says since when it is whole', async (t) => {
  const { rows: before } = await database.pool.query<{ id: string }>(
    `insert into risk.retention (account_key, dataset, whole_since, row_count, pruned_at, feed_id)
     select account_key, 'levels', '2026-01-10T00:00:00Z', 5, now(), 1 from risk.accounts returning account_key as id`,
  );
  assert.equal(before.length, 1);
  t.after(() => database.pool.query('delete from risk.retention'));
  const deleted = async (path: string) =>
    ((await ask(t, path)).json as { beyond_retention?: unknown }).beyond_retention;
  const levels = [{ account_id: 'a'.repeat(32), dataset: 'levels', whole_since: '2026-01-10T00:00:00Z' }];
  const early = 'from=2026-01-01&to=2026-01-20';
  for (const path of ['changes', 'transitions', 'episodes', 'response-times']) {
    assert.deepEqual(await deleted(`/${path}?${early}`), levels, path);
    assert.equal(await deleted(`/${path}?from=2026-01-10&to=2026-01-20`), undefined, path);
  }
  // The parts that these lists read are whole.
  for (const path of ['runs', 'trend', 'coverage'])
    assert.equal(await deleted(`/${path}?${early}`), undefined, path);
  assert.equal((await ask(t, `/changes?${early}&account=${'a'.repeat(32)}`)).status, 200);
});

test('a cursor of another list is refused', () => {
  for (const text of ['nonsense', writeCursor(['a', 'b'])])
    assert.throws(() => readCursor(text, z.tuple([z.number()])), { code: 'CURSOR_INVALID' });
});

test('the document describes every resource, and every answer has the fields that it names', async (t) => {
  const { json } = await ask(t, '/openapi.json');
  const { openapi, paths, components } = json as {
    openapi: string;
    paths: Record<
      string,
      { get: { responses: Record<string, { content?: Record<string, { schema: Schema }> }> } }
    >;
    components: { schemas: Record<string, { required: string[]; properties: object }> };
  };
  assert.match(openapi, /^3\.1/);
  for (const [path, { get }] of Object.entries(paths)) {
    if (path.includes('{')) continue;
    const answer = (await ask(t, path)).json as Record<string, Record<string, unknown>[]>;
    const { properties } = get.responses['200']!.content!['application/json']!.schema;
    const [name, list] = Object.entries(properties)[0]!;
    const described = components.schemas[list.items!.$ref!.split('/').at(-1)!]!;
    assert.ok(answer[name], path);
    // This caller may not see emails and names.
    const fields = Object.keys(described.properties).filter((one) => !['email', 'name'].includes(one));
    for (const row of answer[name]) assert.deepEqual(Object.keys(row).toSorted(), fields.toSorted(), path);
  }
});

type Schema = { properties: Record<string, { items?: { $ref?: string } }> };
