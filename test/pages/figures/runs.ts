// The ledger of runs and the calendar of days, compared with an oracle that knows the runs of a random past. They are
// read back from the HTML, in two time zones, for one account and for the total. PAGES_SEED chooses the past.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { explainRun } from '../../../src/answers/runs/explain-run.ts';
import { findRun } from '../../../src/queries/runs/list-runs.ts';
import { minute } from '../../../src/time/when.ts';
import { startApp, type HttpApp } from '../../support/api/http-app.ts';
import { createCalendar } from '../../support/oracle/reporting/calendar.ts';
import { meant } from '../../support/oracle/reporting/overview-oracle.ts';
import { expectedViews } from '../../support/oracle/reporting/reporting-oracle.ts';
import type { Past } from '../../support/oracle/reporting/past.ts';
import { tableRows, textsBy } from '../../support/pages/read-page.ts';
import { chosenOnes, SEED, ZONES } from '../../support/pages/shown-pasts.ts';
import { sharedWorld, type ReportingWorld } from '../../support/world/reporting-world.ts';

const STATES = ['whole', 'failed', 'partial', 'missed', 'none'];

let world: ReportingWorld;
let pasts: Past[];

before(async () => {
  world = await sharedWorld(SEED);
  pasts = world.pasts;
});

after(() => world.close());

const account = (chosen: Past | null) => (chosen === null ? {} : { account: chosen.accountId });

async function start(t: TestContext): Promise<HttpApp> {
  t.diagnostic(`seed ${SEED}`);
  return startApp(t, { databaseUrl: world.database.url, token: null });
}

async function page(app: HttpApp, path: string, query: Record<string, string> = {}): Promise<string> {
  const answer = await app.ask('GET', `${path}?${new URLSearchParams(query).toString()}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.text;
}

/** Follows the links to the next page. */
async function ledgerOf(app: HttpApp, query: Record<string, string>): Promise<string[][]> {
  const rows: string[][] = [];
  let text = await page(app, '/runs', query);
  for (;;) {
    rows.push(...tableRows(text, 'Runs, the newest first'));
    const next = /<a href="([^"]+)" rel="next">/.exec(text)?.[1];
    if (next === undefined) return rows;
    text = (await app.ask('GET', next.replaceAll('&amp;', '&'))).text;
  }
}

test('the ledger has each run once, the newest first, whatever is filtered', async (t) => {
  const app = await start(t);
  for (const chosen of chosenOnes(pasts))
    for (const status of ['', 'succeeded', 'failed', 'abandoned']) {
      const rows = await ledgerOf(app, {
        range: 'all',
        from: '2000-01-01',
        ...(status && { status }),
        ...account(chosen),
      });
      // Some of these pasts end a little later than now.
      const now = BigInt(Date.now()) * 1000n;
      const runs = meant(pasts, chosen)
        .flatMap((past) => past.runs)
        .filter((run) => run.finishedAt < now && (status === '' || run.status === status));
      assert.equal(rows.length, runs.length);
      const ids = rows.map(([id]) => Number(id));
      assert.equal(new Set(ids).size, ids.length);
    }
});

test('a partial run and a failed one say why in the ledger, and every run explains itself as the command does', async (t) => {
  const app = await start(t);
  const answer = await app.ask('GET', '/api/v1/runs?from=2000-01-01&limit=1000');
  const { runs } = answer.json as {
    runs: { run_id: number; verdict: string | null; error_message: string | null }[];
  };
  const text = await page(app, '/runs', { from: '2000-01-01' });
  assert.ok(runs.length > 0);
  for (const { run_id, verdict, error_message } of runs.slice(0, 40)) {
    const run = await findRun(world.reader, run_id, undefined);
    assert.ok(run);
    const facts = explainRun(run, (at) => minute(at, 'Europe/Berlin'));
    const shown = unescaped(await page(app, `/runs/${run_id}`, { tz: 'Europe/Berlin' }));
    for (const [, fact] of facts) assert.ok(shown.includes(fact), `${fact} of run ${run_id}`);
    const one = await app.ask('GET', `/api/v1/runs/${run_id}`);
    const [explained] = (one.json as { runs: { facts: unknown[] }[] }).runs;
    assert.deepEqual(
      explained?.facts,
      explainRun(run, (at) => minute(at, 'UTC')),
    );
    if (verdict === 'partial')
      assert.ok((run.evidence.reasons ?? []).every((reason) => unescaped(text).includes(reason)));
    if (error_message !== null) assert.ok(unescaped(text).includes(error_message));
  }
});

test('each day of the calendar agrees with the runs, in words and in the table behind it', async (t) => {
  const app = await start(t);
  for (const tz of ZONES)
    for (const chosen of chosenOnes(pasts)) {
      const text = await page(app, '/runs', { from: '2000-01-01', tz, ...account(chosen) });
      const views = expectedViews(meant(pasts, chosen), createCalendar(tz), BigInt(Date.now()) * 1000n);
      const days = [...Map.groupBy(views['sync_coverage']!, ({ day }) => String(day))]
        .map(([day, rows]) => {
          const sum = (name: string) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0);
          const expected = rows.some((row) => row['expected_slot_count'] !== null);
          const missed = expected ? Math.max(0, sum('expected_slot_count') - sum('slot_succeeded_count')) : 0;
          return {
            day,
            complete: sum('complete_count'),
            partial: sum('partial_count'),
            failed: sum('failed_count'),
            abandoned: sum('abandoned_count'),
            missed,
          };
        })
        .toSorted((a, b) => (a.day < b.day ? 1 : -1))
        .slice(0, 401);
      assert.deepEqual(
        tableRows(text, 'Days, the newest first')
          .map((row) => [...row.slice(0, 5), row[6]])
          .slice(0, 400),
        days
          .map((one) => [
            one.day,
            ...[one.complete, one.partial, one.failed, one.abandoned, one.missed].map(String),
          ])
          .slice(0, 400),
      );
      if (days.length > 400) continue;
      const tally = Map.groupBy(days, (one) => {
        if (one.complete + one.partial === 0) return 'none';
        if (one.missed > 0) return 'missed';
        if (one.partial > 0) return 'partial';
        return one.failed + one.abandoned > 0 ? 'failed' : 'whole';
      });
      const shown = textsBy(text, 'data-days');
      for (const state of days.length === 0 ? [] : STATES) {
        const count = tally.get(state as 'whole')?.length ?? 0;
        assert.equal(shown[state], `${count} day${count === 1 ? '' : 's'}`, `${state} in ${tz}`);
      }
    }
});

test('an address that cannot be read says what it may hold, and a run that is not there is not found', async (t) => {
  const app = await start(t);
  for (const [path, status, code] of [
    ['/runs?status=sleeping', 400, 'SCOPE_INVALID'],
    ['/runs?cursor=x', 400, 'CURSOR_INVALID'],
    ['/response?cursor=W10', 400, 'CURSOR_INVALID'],
    ['/runs/999999', 404, 'RUN_NOT_FOUND'],
    ['/runs/%3Cscript%3E', 404, 'RUN_NOT_FOUND'],
    ['/api/v1/runs/999999', 404, 'RUN_NOT_FOUND'],
    ['/api/v1/runs?verdict=perhaps', 400, 'PARAMETER_INVALID'],
    ['/api/v1/response-times?target=soon', 400, 'SCOPE_INVALID'],
  ] as const) {
    const answer = await app.ask('GET', path);
    assert.equal(answer.status, status, path);
    assert.ok(answer.text.includes(code), `${path}: ${answer.text}`);
    assert.ok(!answer.text.includes('<script>'), path);
    if (code === 'RUN_NOT_FOUND' && !path.startsWith('/api'))
      assert.match(answer.text, /<a href="\/runs">Show all runs<\/a>/);
  }
});

function unescaped(html: string): string {
  return html
    .replace(/\s+/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
