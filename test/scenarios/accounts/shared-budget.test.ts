// Three replicas with one token share one request limit: they are never throttled, although no answer tells them of the others.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { createRateLimiter } from '../../../src/simulator/rate-limit.ts';
import { openSharedBudget } from '../../../src/context.ts';
import { failed, harness, json, listen, PAGE, TOKEN } from '../../support/api/api-server.ts';
import { quiet } from '../../support/stage.ts';
import { childScript, type ChildScript } from '../../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import type { AskingChild, Asked } from '../../support/children/asking-child.ts';

const LIMIT = { requests: 60, windowMs: 3_000 };

let db: MigratedDatabase;
let child: ChildScript;
before(async () => {
  db = await migratedDatabase();
  child = await childScript('children/asking-child.ts');
});
after(async () => {
  await child.close();
  await db.close();
});

/** An API that states no limit in its headers, so that no replica learns of the others from them. */
async function askedBy(t: TestContext, replicas: number, more: Partial<AskingChild>): Promise<Asked[]> {
  const spend = createRateLimiter({ requests: LIMIT.requests, windowSeconds: LIMIT.windowMs / 1000 });
  const url = await listen(t, (request, response) => {
    const { exceeded, resetSeconds } = spend(request.headers.authorization ?? '', new Date());
    const reply = exceeded
      ? failed(429, 971, 'slow down', { 'retry-after': String(resetSeconds) })
      : json(200, { success: true, errors: [], messages: [], result: { id: 'a', status: 'active' } });
    reply(request, response, 0);
  });
  const argument: AskingChild = {
    databaseUrl: db.url,
    apiUrl: url.href,
    token: TOKEN,
    limit: LIMIT,
    questions: 30,
    shares: true,
    ...more,
  };
  const children = Array.from({ length: replicas }, () => child.start(argument));
  for (const one of children) await one.line('ready');
  for (const one of children) one.say('go');
  const asked: Asked[] = [];
  for (const one of children) asked.push(JSON.parse((await one.line('ended')).slice(6)) as Asked);
  return asked;
}

// A fifth of the limit is left free. So it cannot be exceeded by the twelve requests that may be under way at most.
test('three replicas with one token are never throttled, and their row tells no secret', async (t) => {
  const asked = await askedBy(t, 3, {});
  assert.deepEqual(
    asked.map(({ answered, throttled }) => [answered, throttled]),
    [
      [30, 0],
      [30, 0],
      [30, 0],
    ],
  );
  const rows = await db.rows<{ row: string; identity: string }>(
    'select b::text as row, identity from risk_internal.request_budgets b',
  );
  assert.equal(rows.length, 1);
  assert.match(rows[0]!.identity, /^[0-9a-f]{64}$/);
  assert.ok(!rows[0]!.row.includes(TOKEN));
});

test('a replica that meets a 429 holds back the others', async (t) => {
  const budget = openSharedBudget({ url: db.url, isEmbedded: false }, quiet);
  const replies = [failed(429, 971, 'slow down', { 'retry-after': '200' }), json(200, PAGE)];
  const { ask, client } = await harness(t, replies, { sharedBudget: budget });
  await ask();
  await client.close();
  await budget.close();
  const blocked = await db.rows(
    "select from risk_internal.request_budgets where blocked_until > renewed_at - interval '1 hour'",
  );
  assert.equal(blocked.length, 1);
});
