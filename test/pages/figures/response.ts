// The figures of the page Response and of its API, compared with an oracle that knows only the published states of a
// random past. They are read back from the HTML, in two time zones, for one account and for the total. PAGES_SEED
// chooses the past.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { lasted, readTarget, targetWords, writeTarget } from '../../../src/answers/pages/response.ts';
import { targetPlace } from '../../../src/pages/charts/duration-bars.ts';
import { startApp, type HttpApp } from '../../support/api/http-app.ts';
import { meant } from '../../support/oracle/reporting/overview-oracle.ts';
import type { Past } from '../../support/oracle/reporting/past.ts';
import {
  figuresOf,
  keptIn,
  percentile,
  type Asked,
  type Kept,
} from '../../support/oracle/reporting/response-oracle.ts';
import { tableRows, textsBy } from '../../support/pages/read-page.ts';
import { chosenOnes, SEED, ZONES } from '../../support/pages/shown-pasts.ts';
import { sharedWorld, type ReportingWorld } from '../../support/world/reporting-world.ts';

const WAYS = ['any', 'lowered', 'reset', 'absent', 'open'] as const;
const MINUTE = 60_000_000n;
const DAY_SECONDS = 86_400;

let world: ReportingWorld;
let pasts: Past[];

before(async () => {
  world = await sharedWorld(SEED);
  pasts = world.pasts;
});

after(() => world.close());

const iso = (at: bigint) => new Date(Number(at / 1000n)).toISOString();
const account = (chosen: Past | null) => (chosen === null ? {} : { account: chosen.accountId });
const some = (count: number) => count.toLocaleString('en-US');
const length = (seconds: number | null) => (seconds === null ? '–' : lasted(seconds));

/** All of the past, and its newer half, so that there is a span before. */
function spans(): { from: bigint; to: bigint }[] {
  const all = pasts.flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at / MINUTE));
  const first = all.reduce((a, b) => (a < b ? a : b)) - 1n;
  const last = all.reduce((a, b) => (a > b ? a : b)) + 1n;
  const half = (last - first) / 2n;
  return [
    { from: first * MINUTE, to: last * MINUTE },
    { from: (first + half) * MINUTE, to: last * MINUTE },
    { from: (first + half / 2n) * MINUTE, to: (first + half) * MINUTE },
  ];
}

function cases(): { chosen: Past | null; asked: Asked; now: Kept[]; before: Kept[] }[] {
  return chosenOnes(pasts).flatMap((chosen) =>
    spans().map(({ from, to }) => {
      const mine = meant(pasts, chosen);
      return {
        chosen,
        asked: { from, to, targetSeconds: DAY_SECONDS },
        now: keptIn(mine, { from, to }),
        before: keptIn(mine, { from: from - (to - from), to: from }),
      };
    }),
  );
}

async function ask(t: TestContext): Promise<HttpApp> {
  t.diagnostic(`seed ${SEED}`);
  return startApp(t, { databaseUrl: world.database.url, token: null });
}

test('every figure of the page agrees with the published states, now and before', async (t) => {
  const app = await ask(t);
  let nth = 0;
  for (const { chosen, asked, now, before } of cases()) {
    const tz = ZONES[nth++ % ZONES.length]!;
    const query = { from: iso(asked.from), to: iso(asked.to), tz, ...account(chosen) };
    const { status, text } = await app.ask('GET', `/response?${new URLSearchParams(query).toString()}`);
    assert.equal(status, 200, text);
    const pairs = WAYS.map(
      (by) => [by, figuresOf(now, by, DAY_SECONDS), figuresOf(before, by, DAY_SECONDS)] as const,
    );
    assert.deepEqual(
      tableRows(text, 'Time at high by how it ended').map(([name, ...cells]) => [
        name!.split(' ')[0],
        ...cells,
      ]),
      pairs.map(([by, one, other]) => [
        by,
        ...[one.count, other.count].map(some),
        ...[one.median, other.median, one.p90, other.p90].map(length),
        ...[one.over, other.over].map(some),
      ]),
    );
    const any = figuresOf(now, 'any', DAY_SECONDS);
    const shown = textsBy(text, 'data-response');
    assert.equal(shown['median'], length(any.median));
    assert.equal(shown['p90'], length(any.p90));
    assert.equal(shown['count'], some(any.count));
    const over = now.filter(({ by, seconds }) => by === 'open' && seconds > DAY_SECONDS).length;
    assert.equal(shown['open-over'], over === 0 ? 'Nobody' : `${over} user${over === 1 ? '' : 's'}`);
    const leftOut = now.filter(({ isBaseline }) => isBaseline).length;
    assert.equal(text.includes('of a first load'), leftOut > 0);
  }
});

test('the API has the same figures to the second, for any target', async (t) => {
  const app = await ask(t);
  for (const { chosen, asked, now, before } of cases())
    for (const [target, targetSeconds] of [
      ['30m', 1_800],
      ['12h', 43_200],
    ] as const) {
      const query = { from: iso(asked.from), to: iso(asked.to), target, ...account(chosen) };
      const answer = await app.ask('GET', `/api/v1/response-times?${new URLSearchParams(query).toString()}`);
      const { response_times: rows } = answer.json as {
        response_times: Record<string, number | string | null>[];
      };
      const near = (value: unknown) => (typeof value === 'number' ? Math.round(value * 1_000) : value);
      assert.deepEqual(
        rows.map((row) => Object.values(row).map(near)),
        (
          [
            ['this', now],
            ['before', before],
          ] as const
        ).flatMap(([period, kept]) =>
          WAYS.map((by) => {
            const { count, median, p90, over, leftOut, leftOutOver } = figuresOf(kept, by, targetSeconds);
            return [period, by, ...[count, median, p90, over, leftOut, leftOutOver].map(near)];
          }),
        ),
      );
    }
});

test('every period that ended is in one step of the distribution, with its way to end', async (t) => {
  const app = await ask(t);
  for (const { chosen, asked, now } of cases()) {
    const query = { from: iso(asked.from), to: iso(asked.to), ...account(chosen) };
    const answer = await app.ask(
      'GET',
      `/api/v1/response-times/distribution?${new URLSearchParams(query).toString()}`,
    );
    const { distribution } = answer.json as { distribution: Record<string, number | null>[] };
    for (const row of distribution) {
      const [from, below] = [row['at_least_seconds']!, row['below_seconds'] ?? Number.POSITIVE_INFINITY];
      const mine = now.filter(({ isBaseline, seconds }) => !isBaseline && seconds >= from && seconds < below);
      for (const by of ['lowered', 'reset', 'absent'])
        assert.equal(row[by], mine.filter((one) => one.by === by).length, `${by} from ${from}`);
    }
  }
});

test('the list of open periods has every user over the target once, the longest first, page by page', async (t) => {
  const app = await ask(t);
  for (const { chosen, asked, now } of cases()) {
    const found: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query = {
        from: iso(asked.from),
        to: iso(asked.to),
        target: '1m',
        limit: '2',
        cursor,
        ...account(chosen),
      };
      const answer = await app.ask(
        'GET',
        `/api/v1/response-times/open?${new URLSearchParams(query).toString()}`,
      );
      assert.equal(answer.status, 200, answer.text);
      const page = answer.json as { open: Record<string, unknown>[]; next_cursor: string | null };
      found.push(...page.open.map((row) => [row['user_id'], Math.round(Number(row['duration_seconds']))]));
      cursor = page.next_cursor;
    }
    const expected = now
      .filter(({ by, seconds }) => by === 'open' && seconds > 60)
      .toSorted((a, b) => {
        const key = ({ from, past, userId }: Kept) => `${from} ${past.accountId} ${userId}`;
        return key(a) < key(b) ? -1 : 1;
      });
    assert.deepEqual(
      found,
      expected.map(({ userId, seconds }) => [userId, Math.round(seconds)]),
    );
  }
});

test('a target is read as it was written, and no other text is a target', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99_999_999 }), (seconds) => {
      assert.equal(readTarget(writeTarget(seconds * 1_000), 0), seconds * 1_000);
    }),
  );
  assert.deepEqual(
    [90, 5_400, 86_400, 172_800, 259_200].map((seconds) => targetWords(seconds * 1_000)),
    ['90 s', '90 min', '24 h', '48 h', '3 days'],
  );
  for (const text of ['0h', '1', 'x', '-1h', '1.5h'])
    assert.throws(() => readTarget(text, 0), { code: 'SCOPE_INVALID' }, text);
  assert.equal(readTarget('', 5), 5);
});

test('the line of the target is at its share of a step', () => {
  const steps = [0, 10, 30].map((at_least_seconds, nth, all) => ({
    at_least_seconds,
    below_seconds: all[nth + 1] ?? null,
    lowered: 0,
    reset: 0,
    absent: 0,
  }));
  assert.deepEqual(
    [5, 10, 20, 1_000].map((seconds) => targetPlace(steps, seconds)),
    [16.67, 33.33, 50, 83.33],
  );
});

test('the percentile of the oracle agrees with a known example', () => {
  assert.equal(percentile([4, 1, 3, 2], 50), 2.5);
  assert.equal(percentile([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 90), 91);
});
