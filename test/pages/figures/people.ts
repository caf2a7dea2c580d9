// The figures and rows of the pages of people, compared with an oracle that knows only the published states of a random
// past. They are read back from the HTML, page by page, in two time zones, for one account and for the total.
// PAGES_SEED chooses the past.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { startApp, type HttpApp } from '../../support/api/http-app.ts';
import {
  expectedChanges,
  expectedMatrix,
  expectedUsers,
  viewsOf,
  type Asked,
  type Views,
} from '../../support/oracle/reporting/people-oracle.ts';
import type { Past, Row } from '../../support/oracle/reporting/past.ts';
import { tableRows, textsBy } from '../../support/pages/read-page.ts';
import { chosenOnes, SEED, ZONES } from '../../support/pages/shown-pasts.ts';
import { sharedWorld, type ReportingWorld } from '../../support/world/reporting-world.ts';

const PLACES = ['none', 'low', 'medium', 'high'];
const MINUTE = 60_000_000n;

let world: ReportingWorld;
let pasts: Past[];

before(async () => {
  world = await sharedWorld(SEED);
  pasts = world.pasts;
});

after(() => world.close());

/** All of the past, and its middle. */
function spans(): Asked[] {
  const all = pasts.flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at));
  const first = all.reduce((a, b) => (a < b ? a : b)) / MINUTE;
  const last = all.reduce((a, b) => (a > b ? a : b)) / MINUTE;
  const third = (last - first) / 3n;
  return [
    { from: (first - 1n) * MINUTE, to: (last + 1n) * MINUTE },
    { from: (first + third) * MINUTE, to: (last - third) * MINUTE },
  ];
}

const views = new Map<Past | null, Views>();
function viewsFor(chosen: Past | null): Views {
  const known = views.get(chosen) ?? viewsOf(pasts, chosen);
  views.set(chosen, known);
  return known;
}

const iso = (at: bigint) => new Date(Number(at / 1000n)).toISOString();
const localMinute = (at: unknown, timeZone: string) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(
    Number(BigInt(String(at)) / 1000n),
  );
const some = (count: number) => count.toLocaleString('en-US');
const account = (chosen: Past | null) => (chosen === null ? {} : { account: chosen.accountId });

async function open(app: HttpApp, path: string, query: Record<string, string>): Promise<string> {
  const answer = await app.ask('GET', `${path}?${new URLSearchParams(query).toString()}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.text;
}

/** All pages of a list, by its links. */
async function pagesOf(app: HttpApp, path: string, query: Record<string, string>): Promise<string[]> {
  const pages = [await open(app, path, query)];
  for (;;) {
    const next = /<a href="([^"]+)" rel="next">/.exec(pages.at(-1)!)?.[1]?.replaceAll('&amp;', '&');
    if (next === undefined) return pages;
    const answer = await app.ask('GET', next);
    assert.equal(answer.status, 200, answer.text);
    pages.push(answer.text);
  }
}

async function start(t: TestContext): Promise<HttpApp> {
  t.diagnostic(`seed ${SEED}`);
  return startApp(t, { databaseUrl: world.database.url, token: null });
}

const idsIn = (html: string) =>
  [...(html.split('<tbody>')[1] ?? '').split('</table>')[0]!.matchAll(/data-copy="([^"]+)"/g)].map(
    ([, id]) => id,
  );

test('the matrix and the feed have every change of the span, once', async (t) => {
  const app = await start(t);
  for (const [nth, timezone] of ZONES.entries())
    for (const chosen of nth === 0 ? chosenOnes(pasts) : chosenOnes(pasts).slice(0, 2)) {
      const span = spans()[nth]!;
      const expected = expectedChanges(viewsFor(chosen), span);
      const query = { from: iso(span.from), to: iso(span.to), tz: timezone, ...account(chosen) };
      const pages = await pagesOf(app, '/changes', query);
      const cells = textsBy(pages[0]!, 'data-cell');
      const matrix = expectedMatrix(expected);
      for (const from of PLACES)
        for (const to of PLACES)
          assert.equal(
            Number((cells[`${from} ${to}`] || '0').replaceAll(',', '')),
            matrix[`${from} ${to}`] ?? 0,
          );
      assert.match(
        pages[0]!,
        expected.length === 0 ? /No change in/ : new RegExp(`<h1>${some(expected.length)}\\s`),
      );
      const rows = pages.flatMap((html) => tableRows(html, 'Changes, the newest first'));
      assert.deepEqual(
        rows.map(([when, user, change]) => [when, user, change]),
        expected.map((row) => [
          localMinute(row['changed_at'], timezone),
          String(row['user_id']).slice(0, 8),
          `${String(row['change'])} ${levels(row)}`,
        ]),
      );
    }
});

const SHAPES: Record<string, string> = { low: '● low', medium: '◆ medium', high: '▲ high' };

function levels({ from_level: from, to_level: to }: Row): string {
  if (from === null) return SHAPES[String(to)]!;
  return to === null ? `was ${SHAPES[String(from)]}` : `${SHAPES[String(from)]} → to ${SHAPES[String(to)]}`;
}

test('a filter leaves the changes that fit, and counts them', async (t) => {
  const app = await start(t);
  const [span] = spans() as [Asked];
  const all = expectedChanges(viewsFor(null), span);
  const fits: [Record<string, string>, (row: Row) => boolean][] = [
    [{ change: 'raised' }, (row) => row['change'] === 'raised'],
    [{ from_level: 'none' }, (row) => row['from_level'] === null],
    [
      { to_level: 'none', from_level: 'high' },
      (row) => row['to_level'] === null && row['from_level'] === 'high',
    ],
    [{ change: '', to_level: 'medium' }, (row) => row['to_level'] === 'medium'],
    [{ change: 'raised', to_level: 'none' }, () => false],
  ];
  for (const [filter, isWanted] of fits) {
    const pages = await pagesOf(app, '/changes', { from: iso(span.from), to: iso(span.to), ...filter });
    const expected = all.filter(isWanted);
    assert.deepEqual(
      pages.flatMap(idsIn),
      expected.map((row) => row['user_id']),
      JSON.stringify(filter),
    );
    assert.match(pages[0]!, new RegExp(`data-matching="${expected.length}"`));
  }
});

test('what is new since a snapshot is counted and marked', async (t) => {
  const app = await start(t);
  const [span] = spans() as [Asked];
  const changes = expectedChanges(viewsFor(null), span);
  const ids = [...new Set(changes.map((row) => Number(row['snapshot_id'])))].toSorted((a, b) => a - b);
  for (const since of [ids[0]!, ids[Math.floor(ids.length / 2)]!, ids.at(-1)!]) {
    const pages = await pagesOf(app, '/changes', {
      from: iso(span.from),
      to: iso(span.to),
      since: String(since),
    });
    const expected = changes.filter((row) => Number(row['snapshot_id']) > since);
    assert.match(pages[0]!, new RegExp(`data-new="${expected.length}"`));
    const marked = pages
      .flatMap((html) => tableRows(html, 'Changes, the newest first'))
      .filter(([when]) => when!.endsWith(' new'));
    assert.equal(marked.length, expected.length);
  }
  assert.match(await open(app, '/changes', { since: '999999999' }), /Snapshot 999999999 is not known/);
});

test('the users of every state are listed once, in every order', async (t) => {
  const app = await start(t);
  for (const chosen of chosenOnes(pasts)) {
    const found = viewsFor(chosen);
    for (const level of chosen === null ? ['present', 'high', 'medium', 'low', 'cleared', 'all'] : ['all'])
      for (const sort of ['level', 'level_since', 'event_count', 'last_event', 'first_seen_at'])
        for (const order of chosen === null && level === 'all' ? ['asc', 'desc'] : ['desc']) {
          const pages = await pagesOf(app, '/users', { level, sort, order, ...account(chosen) });
          const expected = expectedUsers(found, level, sort, order);
          assert.deepEqual(
            pages.flatMap(idsIn),
            expected.map((row) => row['user_id']),
            `${level} ${sort} ${order}`,
          );
          const counts = textsBy(pages[0]!, 'data-users');
          assert.equal(counts[level], some(expected.length));
          const events = pages.flatMap((html) => tableRows(html, 'Users').map((cells) => cells[3]));
          assert.deepEqual(
            events,
            expected.map((row) => some(Number(row['event_count']))),
          );
        }
  }
});

test('a search by the beginning of an id, and one for absent users, finds these users alone', async (t) => {
  const app = await start(t);
  const users = expectedUsers(viewsFor(null), 'all', 'level', 'desc');
  const begin = String(users[0]!['user_id']).slice(0, 3);
  const ids = (await pagesOf(app, '/users', { level: 'all', q: begin.toUpperCase() })).flatMap(idsIn);
  assert.deepEqual(
    ids,
    users.filter((row) => String(row['user_id']).startsWith(begin)).map((row) => row['user_id']),
  );
  const absent = (await pagesOf(app, '/users', { absent: 'yes' })).flatMap(idsIn);
  assert.deepEqual(
    absent,
    users.filter((row) => row['absent_since'] !== null).map((row) => row['user_id']),
  );
});

test("a user's page shows every period, episode and event of the span", async (t) => {
  const app = await start(t);
  for (const timezone of ZONES)
    for (const past of pasts) {
      const found = viewsFor(past);
      const newest = past.oracle.snapshots.at(-1);
      for (const [userId, user] of [...past.oracle.users].slice(0, 6)) {
        const mine = (view: string) => found[view]!.filter((row) => row['user_id'] === userId);
        const html = await open(app, `/users/${userId}`, { tz: timezone, account: past.accountId });
        assert.match(html, new RegExp(`data-state="${user.level ?? 'cleared'}"`));
        const periods = mine('user_level_history').toSorted((a, b) =>
          BigInt(String(a['valid_from'])) < BigInt(String(b['valid_from'])) ? 1 : -1,
        );
        assert.deepEqual(
          tableRows(html, 'Periods at a level, the newest first').map(([from, to, level]) => [
            from,
            to,
            level,
          ]),
          periods.map((row) => [
            localMinute(row['valid_from'], timezone),
            row['valid_to'] === null ? 'now' : localMinute(row['valid_to'], timezone),
            SHAPES[String(row['max_risk_level'])],
          ]),
        );
        const episodes = mine('high_risk_episodes').toSorted((a, b) =>
          BigInt(String(a['started_at'])) < BigInt(String(b['started_at'])) ? 1 : -1,
        );
        assert.deepEqual(
          tableRows(html, 'Episodes at high, the newest first').map((cells) => [cells[0], cells.at(-1)]),
          episodes.map((row) => [
            localMinute(row['started_at'], timezone),
            some(Number(row['peak_event_count'])),
          ]),
        );
        const activity = past.oracle.activity.filter((row) => row.userId === userId);
        assert.deepEqual(
          tableRows(html, 'Newest first').map(([seen, events]) => [seen, events]),
          activity.map((row) => [localMinute(row.at, timezone), some(row.eventCount)]).toReversed(),
        );
        // Renames are also events, and a reader sees only the newest one.
        const events = [...html.matchAll(/data-event="(\w+)"/g)]
          .map(([, change]) => change!)
          .filter((change) => change !== 'renamed');
        const begun = periods.length;
        const ended = periods.filter((row) => ['reset', 'absent'].includes(String(row['end_reason']))).length;
        assert.equal(events.length, begun + ended);
        assert.ok(newest !== undefined);
      }
    }
});

test('the beginning of several ids leads to the list of these users, and to no command', async (t) => {
  const app = await start(t);
  const ids = new Set(
    pasts.filter(({ retiredAt }) => retiredAt === null).flatMap(({ oracle }) => [...oracle.users.keys()]),
  );
  const [digit, same] = [...Map.groupBy(ids, (id) => id[0]!)].find(([, alike]) => alike.length > 1)!;
  const answer = await app.ask('GET', `/users/${digit}`);
  assert.equal(answer.status, 400);
  assert.doesNotMatch(answer.text, /<code>|`zt-risk-sync/);
  assert.match(answer.text, /<h1>Several users have an id that begins like this\.<\/h1>/);
  const [, next] = /<a href="([^"]+)">Choose one of them<\/a>/.exec(answer.text)!;
  const rows = (
    await pagesOf(
      app,
      '/users',
      Object.fromEntries(new URL(next!.replaceAll('&amp;', '&'), app.url('')).searchParams),
    )
  ).flatMap(idsIn);
  assert.deepEqual([...new Set(rows)].toSorted(), same.toSorted());
});

test('an unknown id gets status 404 and links to follow', async (t) => {
  const app = await start(t);
  for (const who of ['00000000-0000-4000-8000-000000000000', 'nobody@example.com', '%3Cimg%20src=x%3E']) {
    const answer = await app.ask('GET', `/users/${who}`);
    assert.equal(answer.status, 404);
    assert.match(answer.text, /All users who were ever met/);
    assert.ok(!answer.text.includes('<img'));
  }
});
