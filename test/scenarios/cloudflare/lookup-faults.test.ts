// Users' own records with unexpected answers, over real HTTP and through the real client. The account is still correct
// in the end, and every run asks a bounded number of questions.
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { RunResult, RunSettings } from '../../../src/sync/run-sync.ts';
import { failed, json, listen, PAGE, RECORD, text, TOKEN, type Reply } from '../../support/api/api-server.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { clientOf, runSyncOf } from '../../support/stage.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const idsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => uuidOf(`${name} ${n}`));
const record = (fields: object): Reply => json(200, { success: true, errors: [], messages: [], ...fields });
/** An event as new as the summary's. */
const HONEST = {
  email: RECORD.email,
  name: RECORD.name,
  risk_level: 'low',
  last_reset_time: null,
  events: [{ id: 'e', name: 'An event', risk_level: 'low', timestamp: RECORD.last_event }],
};
const own = (fields: object) => record({ result: { ...HONEST, ...fields } });
const LEVEL = own({});

/** An account that is synced again and again: who is in the summary, and what each user's record answers. */
async function createAccount(t: TestContext, settings: Partial<RunSettings> = {}) {
  let shown: readonly string[] = [];
  let answer: (userId: string) => Reply = () => LEVEL;
  let lookups = 0;
  let total: number | undefined;
  const baseUrl = await listen(t, (request, response) => {
    const asked = request.url?.split('?')[0]?.split('/').at(-1) ?? '';
    const isFirst = /[?&]page=1(?:&|$)/.test(request.url ?? '');
    const users = (isFirst ? shown : []).map((userId) => ({ ...RECORD, user_id: userId }));
    const info = { ...PAGE.result_info, count: users.length, total_count: total ?? shown.length };
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
    { total: stated, ...over }: Partial<RunSettings> & { total?: number } = {},
  ): Promise<RunResult & { lookups: number }> => {
    [shown, answer, lookups, total] = [users, say, 0, stated];
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

describe('one odd record clears no present user, after a complete walk and after a partial one:', () => {
  const later = '2026-11-02T00:00:00Z';
  const shapes: [title: string, reply: Reply][] = [
    ['an empty record', record({ result: {} })],
    ['a name alone', record({ result: { email: RECORD.email, name: RECORD.name } })],
    ['no level beside an event of the same age, and no reset', own({ risk_level: null })],
    [
      'no level beside a newer event, and no reset',
      own({ risk_level: null, events: [{ timestamp: later }] }),
    ],
    ['no level, and no event', own({ risk_level: null, events: [] })],
    ['a level beside a reset, and no event', own({ last_reset_time: later, events: [] })],
    ['a level beside a reset, and no list of events', own({ last_reset_time: later, events: null })],
    [
      'a level beside a reset, and an event without a readable time',
      own({ last_reset_time: later, events: [...HONEST.events, { timestamp: 'lately' }] }),
    ],
    ['a reset in the future', own({ risk_level: null, last_reset_time: '2126-01-01T00:00:00Z' })],
    ['a reset as old as the event', own({ risk_level: null, last_reset_time: RECORD.last_event })],
    [
      'the record of another person who was reset',
      own({ email: 'b@example.com', name: 'B', risk_level: null, last_reset_time: later, events: [] }),
    ],
    [
      'a record without a person',
      own({ email: undefined, name: undefined, risk_level: null, last_reset_time: later, events: [] }),
    ],
  ];
  for (const [title, reply] of shapes) {
    test(title, async (t) => {
      const sync = await createAccount(t);
      const ids = idsOf('odd', 6);
      await sync(ids, () => LEVEL);
      const say = (userId: string) => (userId === ids[5] ? reply : LEVEL);
      for (const stated of [5, 6]) {
        const { published, error, lookups } = await sync(ids.slice(0, 5), say, { total: stated });
        assert.deepEqual([error, published?.users, published?.cleared], [null, 6, 0]);
        assert.equal(published?.verdict, stated === 5 ? 'complete' : 'partial');
        assert.ok(lookups <= 3, `${lookups} requests`);
      }
    });
  }

  test('and a record that proves the clear still clears at once', async (t) => {
    const sync = await createAccount(t);
    const ids = idsOf('plain', 8);
    await sync(ids, () => LEVEL);
    const replies = [
      failed(404, 1002),
      own({ risk_level: null, last_reset_time: later }),
      own({ last_reset_time: later }),
      own({ email: 'new@example.com', risk_level: null, last_reset_time: later, events: [] }),
    ];
    const say = (userId: string) => replies[ids.indexOf(userId) - 4] ?? LEVEL;
    const { published, facts } = await sync(ids.slice(0, 4), say);
    assert.equal(published?.cleared, 4);
    assert.deepEqual([facts.evidence.lookups?.reset, facts.evidence.lookups?.not_found], [3, 1]);
  });
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
