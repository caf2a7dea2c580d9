// The scrape after real runs against a simulated API: the database's values, the counters, and no personal data.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCloudflareClient, type CloudflareClient } from '../../src/cloudflare/client.ts';
import { accountMetrics } from '../../src/http/account-metrics.ts';
import { keptMs } from '../../src/http/metrics-route.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { AccountGauges } from '../../src/queries/accounts/account-gauges.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { startApp, TOKEN } from '../support/api/http-app.ts';
import { startFaultProxy } from '../support/faults/fault-proxy.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { parseScrape } from '../support/api/scrape.ts';
import { runSyncOf } from '../support/stage.ts';

const ACCOUNTS = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210'];
const START = new Date('2026-03-02T00:00:00Z');
const AUTH = { token: 'an-api-token-nobody-may-see', email: 'admin@example.com', key: 'unused-key' };

let db: MigratedDatabase;
let simulator: Simulator;
let client: CloudflareClient;
let day = 60;
before(async () => {
  db = await migratedDatabase();
  simulator = await startSimulator({
    worlds: createWorld({ seed: 5, users: 200, start: START, days: 100 }),
    now: () => new Date(START.getTime() + day * 86_400_000),
    auth: AUTH,
  });
});
after(async () => {
  await client.close();
  await simulator.close();
  await db.close();
});

test("reports the database's values and the counters, for several accounts and runs", async (t) => {
  const metrics = createMetrics({ version: '1.2.3', budgetLeft: () => client.budgetLeft() });
  client = createCloudflareClient({
    baseUrl: new URL(simulator.url),
    auth: { kind: 'token', token: AUTH.token },
    logger: { debug() {}, info() {}, warn() {} } as never,
    onAnswer: ({ status }) => metrics.recordAnswer(status),
    onNoAnswer: (why) => metrics.recordAnswer(why),
  });
  const { signal } = new AbortController();
  let pages = 0;
  for (day of [60, 63]) {
    for (const accountId of ACCOUNTS) {
      const outcome = await runSyncOf(accountId, { pool: db.pool, client }, { trigger: 'cron', signal });
      assert.ok(outcome.error === null);
      pages += outcome.facts.pages;
      metrics.recordRun({ accountId, trigger: 'cron', durationMs: 10, result: outcome });
    }
  }
  const app = await startApp(t, { databaseUrl: db.url, metrics });
  // Two requests at once, as two Prometheus servers send them: neither may get half of it.
  const texts = await Promise.all(Array.from({ length: 5 }, () => app.scrape()));
  for (const text of texts) {
    const scrape = parseScrape(text);
    const levels = await db.rows<{ account_id: string; max_risk_level: string; count: number }>(
      'select account_id, max_risk_level, count(*)::integer as count from risk_bi.users where is_present group by 1, 2',
    );
    assert.equal(levels.length, 6);
    for (const { count, ...labels } of levels)
      assert.equal(scrape.value('zt_risk_sync_users', labels), count);
    assert.equal(scrape.samples('zt_risk_sync_users').length, 6);
    const times = await db.rows<{ account_id: string; seconds: number }>(
      `select account_id, extract(epoch from max(finished_at))::float8 as seconds
         from risk.sync_runs join risk.accounts using (account_key) group by 1`,
    );
    for (const { account_id, seconds } of times)
      assert.equal(scrape.value('zt_risk_sync_last_success_timestamp_seconds', { account_id }), seconds);
    const [changed] = await db.rows<Record<string, number>>(
      `select sum(appeared)::integer as appeared, sum(raised)::integer as raised, sum(lowered)::integer as lowered,
              sum(cleared)::integer as cleared, sum(returned)::integer as returned from risk.snapshots`,
    );
    const counted: Record<string, number> = {};
    for (const { labels, value } of scrape.samples('zt_risk_sync_changes_total'))
      counted[String(labels['kind'])] = (counted[String(labels['kind'])] ?? 0) + value;
    assert.deepEqual(counted, changed);
    assert.equal(scrape.value('zt_risk_sync_pages_total'), pages);
    assert.equal(
      scrape.value('zt_risk_sync_cloudflare_requests_total', { status: '200' }),
      simulator.requests(),
    );
    assert.ok(scrape.value('zt_risk_sync_rate_budget_left', { source: 'header' }));
  }

  const identities = await db.rows<{ email: string; name: string }>(
    'select email, name from risk.user_identities where email is not null',
  );
  assert.ok(identities.length > 50);
  const said = [...texts, (await app.ask('GET', '/readyz')).text, JSON.stringify(app.logs)].join('\n');
  for (const { email, name } of identities) assert.ok(!said.includes(email) && !said.includes(name));
  for (const secret of [AUTH.token, TOKEN, new URL(db.url).password]) assert.ok(!said.includes(secret));
  assert.doesNotMatch(said, /@|postgres:/);
});

test('leaves out every metric of a retired account', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, scrapeKeptMs: 0 });
  assert.ok((await app.scrape()).includes(ACCOUNTS[0]!));
  await db.rows('update risk.accounts set retired_at = now() where account_id = $1', [ACCOUNTS[0]]);
  const later = await app.scrape();
  assert.ok(!later.includes(ACCOUNTS[0]!));
  assert.ok(later.includes(ACCOUNTS[1]!));
});

test('asks the database once for all accounts, and for many scrapes at once and soon after', async (t) => {
  const proxy = await startFaultProxy(db.url, { count: /cross join lateral|from "risk"\."sync_runs"/ });
  t.after(() => proxy.close());
  let counted = 0;
  const metrics = { contentType: 'text/plain', scrape: async () => `# scrape ${(counted += 1)}\n` };
  const app = await startApp(t, { databaseUrl: proxy.url, metrics, scrapeKeptMs: 3_600_000 });
  const texts = await Promise.all(Array.from({ length: 200 }, () => app.scrape()));
  texts.push(await app.scrape());
  assert.match(texts[0] ?? '', /zt_risk_sync_database_up 1/);
  assert.equal(new Set(texts).size, 1);
  assert.deepEqual([proxy.passed(), counted], [1, 1]);
});

test('answers with the content type of the text format', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const { headers } = await app.ask('GET', '/metrics', { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
});

test('a scrape that took long is cached longer, but never for more than a usual interval', () => {
  assert.deepEqual([0, 250, 400, 3_000].map(keptMs), [5_000, 5_000, 8_000, 15_000]);
});

test('a replication slot that has lost its place has no lag, and is reported as lost', () => {
  const slot = { plugin: 'pgoutput', active: false, held_bytes: null, inactive_since: null };
  const text = accountMetrics({
    state: 'answers',
    migrated: true,
    accounts: [],
    slots: [
      { ...slot, slot: 'behind', lag_bytes: 4_096, wal_status: 'extended' },
      { ...slot, slot: 'gone', lag_bytes: null, wal_status: 'lost' },
    ],
    windows: [],
    readAt: 5,
  });
  const lines = text.split('\n').filter((line) => line.includes('{slot='));
  assert.deepEqual(lines, [
    'zt_risk_sync_replication_slot_lag_bytes{slot="behind"} 4096',
    'zt_risk_sync_replication_slot_lost{slot="behind"} 0',
    'zt_risk_sync_replication_slot_lost{slot="gone"} 1',
  ]);
});

test('a label with quotes, backslashes and line ends stays one label', () => {
  const nothing = {
    users: {},
    users_carried: null,
    observed_at: null,
    last_success_at: null,
    last_complete_at: null,
  };
  const account: AccountGauges = {
    ...nothing,
    account_id: 'a"b\\c\nd',
    added_at: 1,
    failed_runs: 0,
    partial_runs: 0,
    rejected_waiting: 0,
    rejected_not_kept: 0,
    pruned_rows: {},
    last_prune_at: null,
    lease_started_at: null,
    lease_heartbeat_age: null,
  };
  const text = accountMetrics({
    state: 'answers',
    migrated: true,
    accounts: [account],
    slots: [],
    windows: [],
    readAt: 5,
  });
  assert.match(text, /^zt_risk_sync_lease_held\{account_id="a\\"b\\\\c\\nd"\} 0$/m);
  assert.doesNotMatch(text, /^zt_risk_sync_users_carried\{/m);
  for (const line of text.trimEnd().split('\n'))
    assert.match(line, /^$|^# (?:HELP|TYPE) zt_risk_sync_\w+ .+$|^zt_risk_sync_\w+(?:\{.*\})? -?[\d.e+-]+$/);
});
