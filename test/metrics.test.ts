// What a process counts about its own work.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatorError } from '../src/errors.ts';
import { createMetrics, type CountedBudget } from '../src/metrics.ts';
import type { RunResult } from '../src/sync/run-sync.ts';
import { parseScrape } from './support/api/scrape.ts';

/** The end of a real run, so that the counted fields stay the real ones. */
function result(more: Partial<RunResult> = {}): RunResult {
  return {
    published: {
      snapshotId: 1,
      verdict: 'complete',
      users: 10,
      met: 9,
      carried: 1,
      appeared: 5,
      raised: 4,
      lowered: 3,
      cleared: 2,
      renamed: 0,
      activityChanged: 0,
      returned: 1,
      guard: null,
    },
    facts: {
      passes: 1,
      pages: 7,
      requests: 12,
      retries: 2,
      bytes: 1,
      usersMet: 9,
      duplicates: 0,
      rejected: 1,
      totalFirst: 9,
      totalLast: 9,
      lookups: 3,
      evidence: {},
    },
    expectedUnseen: null,
    error: null,
    phases: { walkMs: 90_000, publishMs: 400 },
    ...more,
  };
}

const FAILURE = new OperatorError({ code: 'NETWORK', happened: 'x', means: 'x', todo: 'x' });

test('counts a run by account, trigger, status and verdict, and counts its work', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.recordRun({ accountId: 'a', trigger: 'cron', durationMs: 91_000, result: result() });
  metrics.recordRun({
    accountId: 'a',
    trigger: 'http',
    durationMs: 5_000,
    result: result({ published: null, error: FAILURE, phases: { walkMs: 4_000, publishMs: 0 } }),
  });
  const scrape = parseScrape(await metrics.scrape());
  const run = { account_id: 'a', trigger: 'cron', status: 'succeeded', verdict: 'complete' };
  assert.equal(scrape.value('zt_risk_sync_runs_total', run), 1);
  const failed = { account_id: 'a', trigger: 'http', status: 'failed', verdict: 'none' };
  assert.equal(scrape.value('zt_risk_sync_runs_total', failed), 1);
  assert.equal(scrape.value('zt_risk_sync_pages_total'), 14);
  assert.equal(scrape.value('zt_risk_sync_retries_total'), 4);
  assert.equal(scrape.value('zt_risk_sync_lookups_total'), 6);
  assert.equal(scrape.value('zt_risk_sync_rejected_records_total', { account_id: 'a' }), 2);
  const kinds = scrape
    .samples('zt_risk_sync_changes_total')
    .map(({ labels, value }) => [labels['kind'], value]);
  assert.deepEqual(Object.fromEntries(kinds), {
    appeared: 5,
    raised: 4,
    lowered: 3,
    cleared: 2,
    returned: 1,
  });
  const duration = 'zt_risk_sync_run_duration_seconds';
  assert.equal(scrape.value(`${duration}_sum`, { phase: 'walk' }), 94);
  assert.equal(scrape.value(`${duration}_count`, { phase: 'publish' }), 1);
  assert.equal(scrape.value(`${duration}_sum`, { phase: 'total' }), 96);
  assert.equal(scrape.value(`${duration}_bucket`, { phase: 'walk', le: '60' }), 1);
  assert.equal(scrape.value(`${duration}_bucket`, { phase: 'walk', le: '7200' }), 2);
});

test('counts requests by the status of the answer, or by the reason why no answer came', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  for (const status of [200, 200, 429, 'timeout', 'network'] as const) metrics.recordAnswer(status);
  for (const outcome of ['ok', 'ok', 'failed'] as const) metrics.recordPing(outcome);
  const scrape = parseScrape(await metrics.scrape());
  const requests = scrape.samples('zt_risk_sync_cloudflare_requests_total');
  assert.deepEqual(Object.fromEntries(requests.map(({ labels, value }) => [labels['status'], value])), {
    '200': 2,
    '429': 1,
    timeout: 1,
    network: 1,
  });
  assert.equal(scrape.value('zt_risk_sync_success_pings_total', { outcome: 'ok' }), 2);
  assert.equal(scrape.value('zt_risk_sync_success_pings_total', { outcome: 'failed' }), 1);
});

test('reads pool and budget at each scrape, and leaves out unknown values', async () => {
  let left: CountedBudget | null = { remaining: 900, quota: 1_200, source: 'header' };
  const metrics = createMetrics({
    version: '1.2.3',
    poolCounts: () => ({ total: 4, idle: 3, waiting: 2 }),
    budgetLeft: () => left,
  });
  const first = parseScrape(await metrics.scrape());
  assert.equal(first.value('zt_risk_sync_rate_budget_left', { source: 'header' }), 900);
  assert.equal(first.value('zt_risk_sync_rate_budget_limit', { source: 'header' }), 1_200);
  assert.equal(first.value('zt_risk_sync_pool_connections', { state: 'idle' }), 3);
  assert.equal(first.value('zt_risk_sync_build_info', { version: '1.2.3' }), 1);
  for (const name of ['schedule_interval', 'stale_after', 'next_slot_timestamp'])
    assert.deepEqual(first.samples(`zt_risk_sync_${name}_seconds`), []);
  left = { remaining: 5, quota: null, source: 'own' };
  const second = parseScrape(await metrics.scrape());
  assert.deepEqual(second.samples('zt_risk_sync_rate_budget_left'), [
    { labels: { source: 'own' }, value: 5 },
  ]);
  assert.deepEqual(second.samples('zt_risk_sync_rate_budget_limit'), []);
  left = null;
  assert.deepEqual(parseScrape(await metrics.scrape()).samples('zt_risk_sync_rate_budget_left'), []);
});

test('reports the schedule, and the age at which data is stale', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.setSchedule({
    intervalMs: 3_600_000,
    staleAfterMs: 7_200_000,
    nextSlot: new Date(1_795_600_000_000),
  });
  const scrape = parseScrape(await metrics.scrape());
  assert.equal(scrape.value('zt_risk_sync_schedule_interval_seconds'), 3_600);
  assert.equal(scrape.value('zt_risk_sync_stale_after_seconds'), 7_200);
  assert.equal(scrape.value('zt_risk_sync_next_slot_timestamp_seconds'), 1_795_600_000);
});

test('keeps two registries in one process separate', async () => {
  const [one, other] = [createMetrics({ version: '1' }), createMetrics({ version: '2' })];
  one.recordAnswer(200);
  const scrape = parseScrape(await other.scrape());
  assert.equal(scrape.value('zt_risk_sync_cloudflare_requests_total', { status: '200' }), undefined);
});

test('says how many accounts are listed, and when their list was last trusted, if it ever was', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.setAccounts({ synced: 3_000, unlisted: 2, readAt: null });
  const first = parseScrape(await metrics.scrape());
  assert.equal(first.value('zt_risk_sync_listed_accounts', { state: 'synced' }), 3_000);
  assert.equal(first.value('zt_risk_sync_listed_accounts', { state: 'unlisted' }), 2);
  assert.equal(first.value('zt_risk_sync_account_list_timestamp_seconds'), undefined);
  metrics.setAccounts({ synced: 3_000, unlisted: 2, readAt: 1_795_600_000_000 });
  const then = parseScrape(await metrics.scrape());
  assert.equal(then.value('zt_risk_sync_account_list_timestamp_seconds'), 1_795_600_000);
});

test('without a next slot, no slot is reported, and the schedule stays', async () => {
  const metrics = createMetrics({ version: '1.2.3', budgetLeft: () => null });
  const schedule = { intervalMs: 3_600_000, staleAfterMs: 7_200_000 };
  const slotOf = async () =>
    parseScrape(await metrics.scrape()).value('zt_risk_sync_next_slot_timestamp_seconds');
  metrics.setSchedule({ ...schedule, nextSlot: new Date(1_000_000) });
  assert.equal(await slotOf(), 1_000);
  metrics.setSchedule({ ...schedule, nextSlot: null });
  assert.equal(await slotOf(), undefined);
});
