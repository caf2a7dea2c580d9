// The figures of the overview, compared with an oracle that knows only the published states of a random past. They are
// read back from the HTML, in two time zones, for one account, for a retired one and for the total. PAGES_SEED chooses
// the past.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { after, before, test, type TestContext } from 'node:test';
import { answerTo } from '../../../src/queries/question.ts';
import { news } from '../../../src/queries/levels/news.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { startApp } from '../../support/api/http-app.ts';
import { createCalendar } from '../../support/oracle/reporting/calendar.ts';
import {
  countsAt,
  expectedTrend,
  meant,
  type AskedTrend,
} from '../../support/oracle/reporting/overview-oracle.ts';
import { expectedViews } from '../../support/oracle/reporting/reporting-oracle.ts';
import type { Past, Row } from '../../support/oracle/reporting/past.ts';
import { pointsOf, statementsOf, tableRows, textsBy, unescaped } from '../../support/pages/read-page.ts';
import { chosenOnes, SEED, ZONES } from '../../support/pages/shown-pasts.ts';
import { sharedWorld, type ReportingWorld } from '../../support/world/reporting-world.ts';

const LEVELS = ['high', 'medium', 'low'] as const;
const HOUR = 3_600_000_000n;
/** Resources with files that this test reads. Changes and users have tests of their own. */
const MADE = ['levels', 'trend', 'coverage', 'freshness'];
const SPANS: readonly [hours: bigint, step: AskedTrend['step']][] = [
  [40n, 'snapshot'],
  [400n, 'hour'],
  [1_500n, 'day'],
];

let world: ReportingWorld;
let pasts: Past[];

before(async () => {
  world = await sharedWorld(SEED);
  pasts = world.pasts;
});

after(() => world.close());

function ends(): { first: bigint; last: bigint } {
  const all = pasts.flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at));
  return { first: all.reduce((a, b) => (a < b ? a : b)), last: all.reduce((a, b) => (a > b ? a : b)) };
}

const iso = (at: bigint) => new Date(Number(at / 1000n)).toISOString();

async function openPage(t: TestContext, query: Record<string, string>): Promise<string> {
  const app = await startApp(t, { databaseUrl: world.database.url, token: null });
  const answer = await app.ask('GET', `/?${new URLSearchParams(query).toString()}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.text;
}

/**
 * A page, and what is expected of it at its instant. The test asks again if a snapshot has left the span in between.
 */
async function openSteady<T>(
  t: TestContext,
  query: Record<string, string>,
  expectedAt: (now: bigint) => T,
): Promise<{ html: string; expected: T }> {
  for (;;) {
    const expected = expectedAt(BigInt(Date.now()) * 1000n);
    const html = await openPage(t, query);
    if (isDeepStrictEqual(expected, expectedAt(BigInt(Date.now()) * 1000n))) return { html, expected };
  }
}

test('the levels now, yesterday and a week ago equal those of the published states', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  for (const chosen of chosenOnes(pasts)) {
    const query = { ...(chosen && { account: chosen.accountId }) };
    const { html, expected } = await openSteady(t, query, (now) =>
      [0n, 24n, 168n].map((hours) => {
        const counts = countsAt(meant(pasts, chosen), now - hours * HOUR);
        return LEVELS.map((level) => counts[level].toLocaleString('en-US'));
      }),
    );
    assert.deepEqual(
      textsBy(html, 'data-count'),
      Object.fromEntries(LEVELS.map((level, nth) => [level, expected[0]![nth]])),
    );
    const rows = tableRows(html, 'Users by level, now and before');
    assert.deepEqual(
      rows.map(([, ...counts]) => counts),
      expected,
    );
  }
});

test('every point of the trend is a published state, in every step and time zone', async (t) => {
  const { last } = ends();
  const now = BigInt(Date.now()) * 1000n;
  for (const timezone of ZONES)
    for (const chosen of chosenOnes(pasts))
      for (const [hours, step] of SPANS) {
        const [from, to] = [last - hours * HOUR, last + 2n * HOUR];
        const query = { from: iso(from), to: iso(to), tz: timezone };
        const html = await openPage(t, { ...query, ...(chosen && { account: chosen.accountId }) });
        const expected = expectedTrend(meant(pasts, chosen), createCalendar(timezone), now, {
          from,
          to,
          step,
        });
        const { at, high, medium, low } = pointsOf(html);
        const shown = at.map((second, nth) => [second, high?.[nth], medium?.[nth], low?.[nth]]);
        assert.deepEqual(
          shown,
          expected.map((point) => [Number(point.at / 1_000_000n), point.high, point.medium, point.low]),
          `${step} in ${timezone} of ${chosen?.accountId ?? 'all'}`,
        );
        if (chosen?.retiredAt === null || chosen === null) agreeWithTable(html, expected);
      }
});

/** The table behind the picture has the newest rows. */
function agreeWithTable(
  html: string,
  expected: readonly { high: number; medium: number; low: number }[],
): void {
  if (expected.length > 60) return;
  const rows = tableRows(html, 'Rows, the newest first').map((row) => row.slice(1, 4).map(Number));
  assert.deepEqual(rows, expected.map(({ high, medium, low }) => [high, medium, low]).toReversed());
}

test('the coverage of each day agrees with the runs', async (t) => {
  const { first, last } = ends();
  for (const timezone of ZONES)
    for (const chosen of chosenOnes(pasts)) {
      const query = { from: iso(first - HOUR), to: iso(last + HOUR), tz: timezone };
      const html = await openPage(t, { ...query, ...(chosen && { account: chosen.accountId }) });
      if (!html.includes('Days, the newest first')) continue;
      const calendar = createCalendar(timezone);
      const views = expectedViews(meant(pasts, chosen), calendar, BigInt(Date.now()) * 1000n);
      const shownDays = calendar.days(first - HOUR, last + HOUR - 1n).map(({ day }) => day);
      const days = Map.groupBy(views['sync_coverage']!, ({ day }) => String(day));
      const sum = (rows: readonly Row[], ...names: string[]) =>
        String(rows.flatMap((row) => names.map((name) => Number(row[name] ?? 0))).reduce((a, b) => a + b, 0));
      assert.deepEqual(
        tableRows(html, 'Days, the newest first').map((row) => row.slice(0, 4)),
        [...days]
          .filter(([day]) => shownDays.includes(day))
          .map(([day, rows]) => [
            day,
            sum(rows, 'complete_count'),
            sum(rows, 'partial_count'),
            sum(rows, 'failed_count', 'abandoned_count'),
          ])
          .toSorted(([a], [b]) => (a! < b! ? 1 : -1)),
      );
    }
});

test('the page counts the news of two days, and names who has been at high for longest', async (t) => {
  for (const chosen of chosenOnes(pasts)) {
    const query = { ...(chosen && { account: chosen.accountId }) };
    const views = expectedViews(meant(pasts, chosen), createCalendar('UTC'), BigInt(Date.now()) * 1000n);
    const { html, expected } = await openSteady(t, query, (now) =>
      Object.fromEntries(
        ['raised', 'cleared', 'returned'].map((change) => {
          const isRecent = (row: Row) =>
            row['change'] === change && BigInt(String(row['changed_at'])) >= now - 48n * HOUR;
          return [change, String(views['level_changes']!.filter(isRecent).length)];
        }),
      ),
    );
    assert.deepEqual(textsBy(html, 'data-news'), expected);
    const high = views['users']!.filter(
      (row) => row['max_risk_level'] === 'high' && !row['is_account_retired'],
    );
    const longest = high.toSorted((a, b) =>
      `${String(a['level_since'])} ${String(a['user_id'])}` <
      `${String(b['level_since'])} ${String(b['user_id'])}`
        ? -1
        : 1,
    );
    const section = html.split('id="longest"')[1]?.split('</ul>')[0] ?? '';
    const ids = [...section.matchAll(/data-copy="([^"]+)"/g)].map(([, id]) => id);
    assert.deepEqual(
      ids,
      longest.slice(0, 5).map((row) => row['user_id']),
    );
  }
});

test('news counts every change since an instant, and names the most severe', async () => {
  const { first, last } = ends();
  for (const part of [0n, 3n, 7n])
    for (const chosen of chosenOnes(pasts)) {
      const since = first + ((last - first) * part) / 10n;
      const rows = await answerTo(
        world.reader,
        news(chosen && [chosen.accountId], new Date(Number(since / 1000n)), 4),
      );
      const views = expectedViews(meant(pasts, chosen), createCalendar('UTC'), last);
      for (const change of ['raised', 'cleared', 'returned'] as const) {
        const expected = views['level_changes']!.filter(
          (row) => row['change'] === change && BigInt(String(row['changed_at'])) >= (since / 1000n) * 1000n,
        );
        const mine = rows.filter((row) => row.change === change);
        assert.equal(mine[0]?.change_count ?? 0, expected.length);
        assert.equal(mine.length, Math.min(4, expected.length));
      }
    }
});

test('every statement on the page runs unchanged for a reader, and every file exists', async (t) => {
  const app = await startApp(t, { databaseUrl: world.database.url, token: null });
  const { text } = await app.ask('GET', '/?range=30d&tz=Europe/Berlin');
  const statements = statementsOf(text);
  assert.ok(statements.length >= 5);
  for (const statement of statements) assert.ok(await world.reader.query(statement), statement);
  const files = [...text.matchAll(/href="(\/api\/v1\/[^"]*)" download/g)].map(([, href]) => unescaped(href!));
  assert.equal(files.length, statements.length);
  for (const file of files.filter((one) => MADE.some((resource) => one.startsWith(`/api/v1/${resource}?`)))) {
    const answer = await app.ask('GET', file);
    assert.equal(answer.status, 200, file);
    assert.match(answer.text, /^\w+,.*\r\n/);
  }
});

test('a database without history says when the first run is, and one that is not migrated what to do', async (t) => {
  const empty = await migratedDatabase();
  t.after(() => empty.close());
  const open = async () => {
    const app = await startApp(t, { databaseUrl: empty.url, token: null });
    return app.ask('GET', '/?tz=Europe/Berlin');
  };
  // The roles exist, and may not read this database yet.
  const denied = await open();
  assert.equal(denied.status, 503);
  assert.match(denied.text, /ROLES_MISSING/);
  await createRoles(empty.pool);
  const html = (await open()).text;
  assert.match(html, /<h1>There is no snapshot yet\.<\/h1>/);
  assert.match(html, /No account was ever synced here\. The first run is on 2026-11-25 at 14:00\./);
  assert.doesNotMatch(html, /data-trend|NaN|undefined|Infinity/);
  await empty.pool.query('drop schema risk_bi cascade');
  const broken = await open();
  assert.equal(broken.status, 503);
  assert.match(broken.text, /DATABASE_BEHIND/);
});
