// The alert rules must agree with a real scrape, and with the runbook.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createMetrics } from '../../src/metrics.ts';
import { startApp } from '../support/api/http-app.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { parseScrape } from '../support/api/scrape.ts';

const root = path.resolve(import.meta.dirname, '../..');
const folder = path.join(root, 'integrations/prometheus');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const rules = read('integrations/prometheus/zt-risk-sync.rules.yml');
const alerts = [...rules.matchAll(/- alert: (\w+)\n([\s\S]*?)(?=\n\n|$)/g)].map(
  ([, name = '', body = '']) => ({
    name,
    body,
  }),
);

const promtool = (args: string[], input = '') => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, input, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
};
const noPromtool = spawnSync('promtool', ['--version']).error ? 'promtool is not installed' : false;

async function realScrape(t: TestContext): Promise<string> {
  const db = await migratedDatabase();
  t.after(() => db.close());
  const history = sampleHistory(db.pool);
  await history.snapshot(await history.account('a'), new Date().toISOString(), { counts: [1, 0, 1] });
  const metrics = createMetrics({
    version: '1.2.3',
    poolCounts: () => ({ total: 1, idle: 1, waiting: 0 }),
    budgetLeft: () => ({ remaining: 900, quota: 1_200, source: 'header' }),
  });
  metrics.setSchedule({ intervalMs: 3_600_000, staleAfterMs: 7_200_000, nextSlot: new Date() });
  metrics.recordRun({
    accountId: 'a',
    trigger: 'cron',
    durationMs: 1_000,
    result: {
      published: { verdict: 'complete', appeared: 1, raised: 0, lowered: 0, cleared: 0, returned: 0 },
      facts: { pages: 1, retries: 0, lookups: 0, rejected: 0 },
      error: null,
      phases: { walkMs: 900, publishMs: 90 },
    },
  });
  return (await startApp(t, { databaseUrl: db.url, metrics })).scrape();
}

test('every metric in the rules is in a real scrape, with its labels', async (t) => {
  const scrape = parseScrape(await realScrape(t));
  const used = [...rules.matchAll(/\b(zt_risk_sync_\w+)(?:\{(\w+)="(\w+)"\})?/g)];
  assert.ok(used.length >= 12);
  for (const [text, name = '', label, value] of used) {
    assert.ok(scrape.families.has(name), name);
    // A lease exists only while a run is active, and a slot only where a subscriber replicates.
    if (/_lease_heartbeat_age_seconds$|_replication_slot_/.test(name)) continue;
    const labels = label === undefined || value === undefined ? {} : { [label]: value };
    assert.notEqual(scrape.value(name, labels), undefined, text);
  }
});

test('every metric has a help text and a type, in the conventions of Prometheus', async (t) => {
  const { families } = parseScrape(await realScrape(t));
  const own = [...families].filter(([name]) => name.startsWith('zt_risk_sync_'));
  assert.ok(own.length > 25);
  for (const [name, { type, help }] of own) {
    assert.match(help, /^.{15,}\.?$/, name);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_ms\b|milli/);
  }
});

test('every alert has a severity, a waiting time, texts, and a section in the runbook', () => {
  const headings = new Set([...read('docs/runbook.md').matchAll(/^### (\w+)$/gm)].map(([, name]) => name));
  assert.ok(alerts.length >= 9);
  for (const { name, body } of alerts) {
    assert.match(body, /\n {8}for: \d+[mh]\n/, name);
    assert.match(body, /severity: (critical|warning)\n/, name);
    for (const text of ['summary', 'description']) assert.match(body, new RegExp(`${text}: .{10}`), name);
    assert.ok(body.includes(`runbook_url: docs/runbook.md#${name.toLowerCase()}`), name);
    assert.ok(headings.has(name), `${name} has no section`);
  }
});

test('every alert has an example that fires', () => {
  const cases = read('integrations/prometheus/zt-risk-sync.rules.test.yml');
  for (const { name } of alerts)
    assert.match(cases, new RegExp(`alertname: ${name}\\n {8}exp_alerts:\\n {10}- exp_labels`), name);
});

test(
  'promtool accepts the rules and the example, and every alert fires when it should',
  { skip: noPromtool },
  () => {
    for (const args of [
      ['check', 'rules', 'zt-risk-sync.rules.yml'],
      ['check', 'config', '--syntax-only', 'prometheus.yml'],
      ['test', 'rules', 'zt-risk-sync.rules.test.yml'],
    ]) {
      const { status, said } = promtool(args);
      assert.equal(status, 0, said);
      assert.match(said, /SUCCESS/);
    }
  },
);

test(
  "Prometheus' own parser accepts a scrape, and has no objection to its names",
  { skip: noPromtool },
  async (t) => {
    const { status, said } = promtool(['check', 'metrics'], await realScrape(t));
    // Exit 3: the parser objects to something, but could read it. Node's own metrics come from prom-client.
    assert.ok(status === 0 || status === 3, said);
    assert.deepEqual(
      said.split('\n').filter((line) => line !== '' && !line.startsWith('nodejs_')),
      [],
    );
  },
);
