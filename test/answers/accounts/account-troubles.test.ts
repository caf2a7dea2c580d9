// Which of many accounts need a look first, and what the summary counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScheduleState } from '../../../src/answers/accounts/account-states.ts';
import { summaryOf, troubleOf, troublesOf } from '../../../src/answers/accounts/account-troubles.ts';
import type { AccountStatus } from '../../../src/queries/accounts/list-accounts.ts';
import type { SlotRun } from '../../../src/queries/runs/slot-runs.ts';

const HOUR = 3_600_000;
const SLOT = new Date('2026-03-01T09:00:00Z');

function state(account_id: string, over: Partial<AccountStatus> = {}): AccountStatus {
  return {
    account_id,
    label: null,
    added_at: new Date(0),
    retired_at: null,
    snapshot_id: 7,
    observed_at: SLOT,
    age_ms: HOUR / 2,
    known_ms: 1_000 * HOUR,
    verdict: 'complete',
    user_count: 200,
    carried_count: 0,
    failures_since: 0,
    partials_since: 0,
    complete_at: SLOT,
    rejected_waiting: 0,
    rejected_not_kept: 0,
    leases_visible: true,
    running_run_id: null,
    running_since: null,
    running_host: null,
    silent_ms: null,
    ...over,
  };
}

const run = (account_id: string, status: string, error_code: string | null = null): [string, SlotRun] => [
  account_id,
  { account_id, run_id: 1, status, error_code, host: 'a' },
];

const schedule: ScheduleState = {
  schedule: '0 * * * *',
  timezone: 'UTC',
  lastSlot: SLOT,
  nextSlot: null,
  staleAfterMs: 2 * HOUR,
  leaseMs: 30_000,
  runs: new Map([run('well', 'succeeded'), run('failing', 'failed', 'NETWORK'), run('partial', 'succeeded')]),
};

const STATES = [
  state('well'),
  state('partial', { verdict: 'partial', partials_since: 2 }),
  state('old', { age_ms: 5 * HOUR }),
  state('older', { age_ms: 9 * HOUR }),
  state('failing', { failures_since: 3 }),
  state('never', { snapshot_id: null, observed_at: null, age_ms: null, verdict: null, user_count: null }),
  state('silent', { running_run_id: 40, running_host: 'b', silent_ms: 60_000 }),
  state('rejecting', { rejected_waiting: 2, rejected_not_kept: 1 }),
  state('young', {
    snapshot_id: null,
    observed_at: null,
    age_ms: null,
    known_ms: 1,
    user_count: null,
    added_at: new Date(SLOT.getTime() + 1),
  }),
  state('retired', { retired_at: SLOT, age_ms: 50 * HOUR, failures_since: 9 }),
];

test('the most severe problem comes first, the oldest first within a kind, and all problems are named', () => {
  assert.deepEqual(
    troublesOf(STATES, schedule).map(({ state: { account_id }, words }) => [account_id, words]),
    [
      ['never', 'no snapshot yet'],
      ['older', 'STALE: 9 h old'],
      ['old', 'STALE: 5 h old'],
      ['failing', '3 failed runs (NETWORK)'],
      ['silent', 'silent run 40 on b'],
      ['rejecting', '3 rejected records'],
      ['partial', '2 partial snapshots'],
    ],
  );
  const both = troubleOf(state('failing', { failures_since: 1, age_ms: 9 * HOUR }), schedule);
  assert.equal(both?.words, 'STALE: 9 h old; 1 failed run (NETWORK)');
});

test('each account is counted once, and retired accounts separately', () => {
  assert.deepEqual(summaryOf(STATES, schedule), {
    accounts: 9,
    retired: 1,
    fresh: 5,
    stale: 3,
    young: 1,
    users: 1_400,
    running: 1,
    slot: { at: SLOT, succeeded: 2, failed: 1, none: 5 },
  });
});

test('a role that may not see leases is not told that no sync is running', () => {
  assert.equal(summaryOf([state('well', { leases_visible: false })], schedule).running, null);
});
