// Lists of people while runs publish, names and who may see them, and the same lists over the API.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { missingWords } from '../../src/answers/beyond-retention.ts';
import { scopeOf } from '../../src/answers/scope.ts';
import type { Pool } from '../../src/db/pool.ts';
import { createRoles } from '../../src/db/roles.ts';
import { drawChanges, drawUser, drawUsers } from '../../src/http/pages/people.ts';
import type { Page } from '../../src/pages/page.ts';
import { startApp, type HttpApp } from '../support/api/http-app.ts';
import { servedAccount, type ServedAccount } from '../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { startPostgresServer, type PostgresServer } from '../support/database/servers/postgres-server.ts';
import { runCommand } from '../support/run-command.ts';

const EVIL = '<img src=x onerror=alert(1)>';
const MAIL = '"><script>alert(2)</script>@example.com';
const DAY = 86_400_000;
const USERS = 130;

let server: PostgresServer;
let database: MigratedDatabase;
let account: ServedAccount;
let time = Math.floor(Date.now() / 1000) * 1000 - 20 * DAY;

before(async () => {
  server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  process.env['TEST_POSTGRES_URL'] = server.url;
  database = await migratedDatabase();
  await createRoles(database.pool);
  account = servedAccount(database.pool, USERS);
  account.people[7] = { ...account.people[7]!, name: EVIL, email: MAIL };
  await publish();
  raise(0, 120);
  await publish();
});

after(async () => {
  await database.close();
  await server.stop();
});

async function publish(): Promise<void> {
  time += DAY;
  await account.succeed({ observedAt: new Date(time) });
}

const HIGHER = { low: 'medium', medium: 'high', high: 'low' } as const;

function raise(from: number, to: number): void {
  account.people = account.people.map((one, n) =>
    n >= from && n < to ? { ...one, max_risk_level: HIGHER[one.max_risk_level] } : one,
  );
}

async function start(t: TestContext): Promise<HttpApp> {
  return startApp(t, { databaseUrl: database.url, token: null });
}

async function json<Answer>(app: HttpApp, path: string): Promise<Answer> {
  const { status, text } = await app.ask('GET', `/api/v1${path}`);
  assert.equal(status, 200, text);
  return JSON.parse(text) as Answer;
}

type Changes = {
  changes: { user_id: string; changed_at: string; snapshot_id: number }[];
  next_cursor: string | null;
};
type Users = { users: { user_id: string }[]; next_cursor: string | null };

test('a feed that is read while a run publishes has every change from its beginning, once', async (t) => {
  const app = await start(t);
  const whole = (await json<Changes>(app, '/changes?range=all&limit=1000')).changes;
  assert.equal(whole.length, 120);
  let page = await json<Changes>(app, '/changes?range=all&limit=50');
  const read = [...page.changes];
  while (page.next_cursor !== null) {
    raise(10, 40);
    await publish();
    page = await json<Changes>(app, `/changes?range=all&limit=50&cursor=${page.next_cursor}`);
    read.push(...page.changes);
  }
  assert.deepEqual(read, whole);
  const later = (await json<Changes>(app, '/changes?range=all&limit=1000')).changes;
  assert.equal(later.length, 120 + 2 * 30);
});

test('users who do not change are listed once each, although others move while the list is read', async (t) => {
  const app = await start(t);
  for (const sort of ['level', 'level_since', 'event_count', 'last_event', 'first_seen_at']) {
    let page = await json<Users>(app, `/users?sort=${sort}&limit=70`);
    const read = page.users.map(({ user_id }) => user_id);
    while (page.next_cursor !== null) {
      raise(100, 110);
      await publish();
      page = await json<Users>(app, `/users?sort=${sort}&limit=70&cursor=${page.next_cursor}`);
      read.push(...page.users.map(({ user_id }) => user_id));
    }
    const still = new Set(account.people.filter((_, n) => n < 100 || n >= 110).map(({ user_id }) => user_id));
    const met = read.filter((id) => still.has(id));
    assert.deepEqual([met.length, new Set(met).size], [still.size, still.size], sort);
  }
});

test('no page and no answer of the API holds an email or a name without the right to see them', async (t) => {
  const app = await start(t);
  const evil = account.people[7]!.user_id;
  for (const path of ['/users?level=all', '/users?q=person', '/changes?range=all', `/users/${evil}`, '/']) {
    const { text } = await app.ask('GET', path);
    assert.ok(!/@example\.com|Person \d|<img|alert\(/.test(text), path);
  }
  for (const path of [
    '/users',
    `/users/${evil}`,
    `/users/${evil}/history?range=all`,
    '/changes?range=all',
    '/episodes',
  ]) {
    const { text } = await app.ask('GET', `/api/v1${path}`);
    assert.ok(!/@example\.com|Person \d|<img|alert\(|"email"|"name"/.test(text), path);
  }
  assert.match((await app.ask('GET', '/users?q=person')).text, /not the beginning of a user id/);
  const refused = await app.ask('GET', '/api/v1/users?q=person');
  assert.equal(refused.status, 400);
  assert.match(refused.text, /SEARCH_NEEDS_IDENTITIES/);
});

type Draw = (page: Page) => Promise<string>;

/** As a visitor who may see emails and names. */
async function seen(
  pool: Pool,
  path: string,
  draw: (db: Pool, page: Page) => ReturnType<typeof drawUsers>,
): ReturnType<Draw> {
  const url = new URL(path, 'http://here');
  const scope = await scopeOf(pool, Object.fromEntries(url.searchParams), 'all');
  const page: Page = {
    scope,
    path: url.pathname,
    query: url.searchParams,
    missing: null,
    identities: true,
    offersIdentities: true,
    signedIn: true,
    version: '1',
    assets: { style: '/s', script: '/j' },
  };
  const html = await draw(pool, page);
  return String(html);
}

test('a search text for emails and names is never sent to the database', async () => {
  const sent: string[] = [];
  const pool = database.pool;
  const note = (client: { query: (...given: never[]) => unknown }) => {
    const { query } = client;
    client.query = (...given) => {
      sent.push(JSON.stringify(given.map((one: unknown) => one)));
      return query.apply(client, given);
    };
  };
  const client = await pool.connect();
  try {
    note(client);
    const html = await seen(client as never, '/users?q=PERSON+12+of', drawUsers);
    assert.match(html, /1 user fits/);
    assert.ok(html.includes(account.people[12]!.user_id));
    assert.ok(sent.length > 3 && !sent.some((text) => /person 12/i.test(text)));
    assert.ok(!/person 12/i.test(/<pre[\s\S]*<\/pre>/.exec(html)?.[0] ?? ''));
  } finally {
    client.release(true);
  }
});

test('the API says about one user what the page says, for the last 90 days by default', async (t) => {
  const app = await start(t);
  const { user_id } = account.people[20]!;
  const { users } = await json<{ users: { account_id: string; max_risk_level: string }[] }>(
    app,
    `/users/${user_id}`,
  );
  assert.deepEqual(
    users.map((one) => [one.account_id, one.max_risk_level]),
    [[account.id, account.people[20]!.max_risk_level]],
  );
  type Events = { events: { change: string; words: string; changed_at: string }[] };
  const { events } = await json<Events>(app, `/users/${user_id}/history?tz=Asia/Tokyo`);
  assert.ok(events.length > 2 && events.every(({ words }) => words !== ''));
  assert.equal(events.at(-1)?.change, 'appeared');
  assert.deepEqual(
    (await json<Events>(app, `/users/${user_id}/history?from=2020-01-01&to=2020-02-01`)).events,
    [],
  );
  const { periods } = await json<{ periods: unknown[] }>(app, `/users/${user_id}/levels`);
  assert.equal(periods.length, events.length);
  const { activity } = await json<{ activity: { event_count: number }[] }>(app, `/users/${user_id}/activity`);
  assert.deepEqual(
    activity.map((one) => one.event_count),
    [account.people[20]!.event_count],
  );
  const missing = await app.ask('GET', '/api/v1/users/00000000-0000-4000-8000-000000000000/history');
  assert.equal(missing.status, 404);
  assert.match(missing.text, /USER_NOT_FOUND/);
});

test('the matrix over the API adds up to the feed, and a file has all rows', async (t) => {
  const app = await start(t);
  const { transitions } = await json<{ transitions: { change_count: number }[] }>(
    app,
    '/transitions?range=all',
  );
  const { changes } = await json<Changes>(app, '/changes?range=all&limit=1000');
  assert.equal(
    transitions.reduce((sum, row) => sum + row.change_count, 0),
    changes.length,
  );
  const file = await app.ask('GET', '/api/v1/users?format=csv');
  assert.equal(file.text.trimEnd().split('\r\n').length, 1 + USERS);
  assert.match(file.text, /^account_id,account_label,user_id,max_risk_level,level_since,/);
  const episodes = await json<{ episodes: unknown[]; next_cursor: string | null }>(
    app,
    '/episodes?limit=5&end=lowered',
  );
  assert.equal(episodes.episodes.length, 5);
  const next = await json<{ episodes: unknown[] }>(
    app,
    `/episodes?limit=5&end=lowered&cursor=${episodes.next_cursor}`,
  );
  assert.ok(next.episodes.length > 0);
  assert.notDeepEqual(next.episodes[0], episodes.episodes[0]);
});

test('a parameter or a cursor that cannot be read is refused, by page and API', async (t) => {
  const app = await start(t);
  const { next_cursor } = await json<Users>(app, '/users?limit=1');
  for (const path of [
    '/users?level=worst',
    '/users?sort=name',
    `/users?sort=event_count&cursor=${next_cursor}`,
    '/changes?change=moved',
    '/changes?since=x',
    '/changes?cursor=x',
  ])
    assert.equal((await app.ask('GET', path)).status, 400, path);
  for (const path of [
    '/users?level=worst',
    `/users?sort=event_count&cursor=${next_cursor}`,
    '/changes?from_level=x',
    '/users/x',
    '/episodes?end=x',
  ])
    assert.equal((await app.ask('GET', `/api/v1${path}`)).status, 400, path);
});

test('names are text wherever they are shown, whatever they hold', async () => {
  const evil = account.people[7]!.user_id;
  await database.pool.query('update risk.user_identities set name = $1, email = $2', [EVIL, MAIL]);
  const shown = [
    await seen(database.pool, '/users?q=onerror', drawUsers),
    await seen(database.pool, '/changes?range=all&change=raised', drawChanges),
    await seen(database.pool, `/users/${evil}`, (db, page) => drawUser(db, page, evil, () => assert.fail())),
  ];
  for (const html of shown) {
    assert.ok(html.includes('&lt;img src=x onerror=alert(1)&gt;'));
    assert.ok(html.includes('&lt;script&gt;alert(2)'));
    assert.ok(!html.includes('<img') && !html.includes('<script>'));
  }
});

test('a user whom two accounts know has a part for each, and an account narrows the page to one', async (t) => {
  const other = servedAccount(database.pool, 0);
  const shared = account.people[30]!;
  other.people = [{ ...shared, max_risk_level: HIGHER[shared.max_risk_level] }];
  await other.succeed({ observedAt: new Date(time) });
  const app = await start(t);
  const statesOf = (html: string) =>
    [...html.matchAll(/data-state="(\w+)"/g)].map(([, state]) => state!).toSorted();
  const partsOf = (html: string) =>
    [...html.matchAll(/data-account="(\w+)"/g)].map(([, id]) => id!).toSorted();
  const both = await app.ask('GET', `/users/${shared.user_id}`);
  assert.match(both.text, /2 accounts know this user/);
  assert.deepEqual(partsOf(both.text), [account.id, other.id].toSorted());
  assert.deepEqual(statesOf(both.text), [shared.max_risk_level, other.people[0]!.max_risk_level].toSorted());
  const ids = [...both.text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
  assert.equal(new Set(ids).size, ids.length);
  const one = await app.ask('GET', `/users/${shared.user_id}?account=${other.id}`);
  assert.deepEqual(partsOf(one.text), [other.id]);
  const { users } = await json<Users>(app, `/users/${shared.user_id}`);
  assert.equal(users.length, 2);
  const missing = await app.ask('GET', `/users/${account.people[31]!.user_id}?account=${other.id}`);
  assert.equal(missing.status, 404);
  assert.match(missing.text, /Look in all accounts/);
});

test('pages and reports say since when rows are whole, if rows of their span were deleted', async (t) => {
  const [old, whole] = [new Date(time - 30 * DAY), new Date(time - 10 * DAY)].map((at) => at.toISOString());
  const text = `${whole!.slice(0, 16).replace('T', ' ')} may be missing, because older rows were deleted.`;
  await database.pool.query(
    `insert into risk.retention (account_key, dataset, whole_since, row_count, pruned_at, feed_id)
     select account_key, dataset, $1, 5, now(), 1 from risk.accounts, unnest(array['levels', 'runs', 'activity']) dataset`,
    [whole],
  );
  t.after(() => database.pool.query('delete from risk.retention'));
  const app = await start(t);
  const noteOf = async (path: string) => {
    const { status, text: page } = await app.ask('GET', path);
    assert.equal(status, 200, path);
    return /<p[^>]* data-missing>([^<]*)<\/p>/.exec(page)?.[1]?.replaceAll(/\s+/g, ' ') ?? null;
  };
  const early = `from=${old}&tz=UTC`;
  const late = `from=${whole}&tz=UTC`;
  const user = `/users/${account.people[3]!.user_id}`;
  assert.equal(await noteOf(`/changes?${early}`), `Level changes before ${text}`);
  assert.equal(await noteOf(`/runs?${early}`), `Runs before ${text}`);
  assert.equal(await noteOf(`/?${early}`), `Runs before ${text}`);
  const both = `Event counts before ${text.slice(0, 16)} and level changes before ${text}`;
  assert.equal(await noteOf(`${user}?${early}`), both);
  for (const path of ['/changes', '/runs', '/', user])
    assert.equal(await noteOf(`${path}?${late}`), null, path);
  // Figures against the span before reach back further.
  assert.equal(await noteOf(`/response?${late}`), `Level changes before ${text}`);
  assert.equal(await noteOf(`/users?${early}`), null);

  const report = async (format: string, from: string) =>
    (await runCommand(['report', '--format', format, '--from', from], { DATABASE_URL: database.url })).stdout;
  const told = `Level changes before ${text.slice(0, 16)} and runs before ${text}`;
  for (const format of ['html', 'md', 'json'])
    assert.ok((await report(format, old!)).replaceAll(/\s+/g, ' ').includes(told), format);
  const rows = (JSON.parse(await report('json', old!)) as { beyond_retention: { dataset: string }[] })
    .beyond_retention;
  assert.deepEqual([...new Set(rows.map(({ dataset }) => dataset))], ['levels', 'runs']);
});

test('an episode whose event counts were deleted is shown without them', async (t) => {
  await database.pool.query(
    `insert into risk.retention (account_key, dataset, whole_since, row_count, pruned_at, feed_id)
     select account_key, 'activity', $1, 5, now(), 1 from risk.accounts`,
    [new Date(time)],
  );
  t.after(() => database.pool.query('delete from risk.retention'));
  const { rows } = await database.pool.query<{ user_id: string }>(
    'select user_id from risk_bi.high_risk_episodes where peak_event_count is null limit 1',
  );
  const app = await start(t);
  const page = await app.ask('GET', `/users/${rows[0]!.user_id}?range=all`);
  assert.equal(page.status, 200);
  const { episodes } = await json<{ episodes: { peak_event_count: number | null }[] }>(
    app,
    `/episodes?range=all&user_id=${rows[0]!.user_id}`,
  );
  assert.equal(episodes[0]!.peak_event_count, null);
  const report = await runCommand(['report', '--from', '60d'], { DATABASE_URL: database.url });
  assert.equal(report.code, 0, report.stderr);
});

test('of several parts and accounts, the sentence names the latest times', () => {
  const row = (account_id: string, dataset: 'levels' | 'identities' | 'activity', day: string) => ({
    account_id,
    dataset,
    whole_since: `2026-01-${day}T23:00:00Z`,
  });
  const clock = { timezone: 'Europe/Berlin' };
  assert.equal(missingWords([], clock), null);
  assert.equal(
    missingWords(
      [
        row('a', 'levels', '03'),
        row('b', 'levels', '04'),
        row('b', 'identities', '01'),
        row('a', 'activity', '02'),
      ],
      clock,
    ),
    'Event counts before 2026-01-03 00:00, level changes before 2026-01-05 00:00 and emails and names before 2026-01-02 00:00 may be missing, because older rows were deleted.',
  );
});
