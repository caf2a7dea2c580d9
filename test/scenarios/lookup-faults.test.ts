// Users' own records with unexpected answers, over real HTTP and through the real client. The account is still correct
// in the end, and every run asks a bounded number of questions.
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { RunResult, RunSettings } from '../../src/sync/run-sync.ts';
import { failed, json, listen, PAGE, RECORD, text, TOKEN, type Reply } from '../support/api/api-server.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { clientOf, runSyncOf } from '../support/stage.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const idsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => uuidOf(`${name} ${n}`));
const record = (fields: object): Reply => json(200, { success: true, errors: [], messages: [], ...fields });
const LEVEL = record({ result: { risk_level: 'low', last_reset_time: null, events: [] } });

/** An account that is synced again and again: who is in the summary, and what each user's record answers. */
async function createAccount(t: TestContext, settings: Partial<RunSettings> = {}) {
  let shown: readonly string[] = [];
  let answer: (userId: string) => Reply = () => LEVEL;
  let lookups = 0;
  const baseUrl = await listen(t, (request, response) => {
    const asked = request.url?.split('?')[0]?.split('/').at(-1) ?? '';
    const users = shown.map((userId) => ({ ...RECORD, user_id: userId }));
    const info = { ...PAGE.result_info, count: users.length, total_count: users.length };
    const page = json(200, { ...PAGE, result: { users }, result_info: info });
    if (asked !== 'summary') lookups++;
    return (asked === 'summary' ? page : answer(asked))(request, response, 0);
  });
  const client = clientOf(t, baseUrl, {
    token: TOKEN,
    limit: null,
    timing: { backoffBaseMs: 1, backoffCapMs: 1 },
  });
  const accountId = uuidOf(t.fullName).replaceAll('-', '');
  return async (
    users: readonly string[],
    say: (userId: string) => Reply,
    over: Partial<RunSettings> = {},
  ): Promise<RunResult & { lookups: number }> => {
    [shown, answer, lookups] = [users, say, 0];
    const outcome = await runSyncOf(accountId, {
      pool: db.pool,
      client,
      settings: { perPage: 50, ...settings, ...over },
    });
    return { ...outcome, lookups };
  };
}

describe('two complete walks clear when the own record of every user is unreadable:', () => {
  const shapes: [title: string, reply: Reply][] = [
    [
      'a reset time without a time',
      record({ result: { risk_level: 'low', last_reset_time: '', events: [] } }),
    ],
    ['a list', record({ result: [] })],
    ['nothing', record({ result: null })],
    ['no success, with status 200', failed(200, 1003)],
    ['a page', text(200, '<html>one moment</html>', { 'content-type': 'text/html' })],
    ['a login elsewhere', text(302, '', { location: 'https://login.example/' })],
  ];
  for (const [title, reply] of shapes) {
    test(title, async (t) => {
      const sync = await createAccount(t);
      const ids = idsOf('shape', 6);
      await sync(ids, () => LEVEL);
      const cleared: unknown[] = [];
      for (let walk = 0; walk < 2; walk++)
        cleared.push((await sync(ids.slice(0, 5), () => reply)).published?.cleared);
      assert.deepEqual(cleared, [0, 1]);
    });
  }
});

test('records that always fail cost every run a bounded number of requests, and other users get their turn', async (t) => {
  const sync = await createAccount(t, { concurrency: 2 });
  const [met, gone, broken] = [idsOf('met', 5), idsOf('gone', 4), idsOf('broken', 12)];
  await sync([...met, ...gone, ...broken], () => LEVEL);
  const say = (userId: string) =>
    broken.includes(userId) ? failed(500, 1003) : gone.includes(userId) ? failed(404, 1002) : LEVEL;
  // The users with broken records have been absent longer.
  await sync([...met, ...gone], say, { confirmLookups: 0 });
  const runs: RunResult[] = [];
  for (let run = 0; run < 3; run++) {
    const result = await sync(met, say);
    // Three rounds that each end with two lookups of six attempts, a control before and one after each round, and the
    // other users.
    assert.ok(result.lookups <= 3 * 2 * 6 + 4 + gone.length, `${result.lookups} requests`);
    runs.push(result);
  }
  assert.deepEqual(
    runs.map(({ published }) => published?.cleared),
    [0, 0, 4],
  );
});
