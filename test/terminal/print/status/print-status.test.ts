// The head of an account in `status`: its label may be long and wide.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import stringWidth from 'string-width';
import type { AccountStatus } from '../../../../src/queries/accounts/list-accounts.ts';
import { accountLines } from '../../../../src/terminal/print/status/print-status.ts';
import { viewOf } from '../../../../src/terminal/view.ts';

const SCHEDULE = {
  schedule: '0 * * * *',
  timezone: 'UTC',
  staleAfterMs: 7_200_000,
  lastSlot: null,
  nextSlot: null,
  leaseMs: 30_000,
  runs: new Map(),
};

function linesOf(label: string | null, columns: number, over: Partial<AccountStatus> = {}): string[] {
  const state = {
    account_id: 'a'.repeat(32),
    label,
    added_at: new Date(0),
    retired_at: null,
    snapshot_id: 7,
    observed_at: new Date(),
    age_ms: 1_000,
    verdict: 'complete',
    user_count: 1_200,
    carried_count: 0,
    failures_since: 0,
    partials_since: 0,
    complete_at: new Date(),
    rejected_waiting: 0,
    rejected_not_kept: 0,
    leases_visible: true,
    running_run_id: null,
    running_since: null,
    running_host: null,
    silent_ms: null,
    ...over,
  } as AccountStatus;
  return accountLines(state, SCHEDULE, viewOf({ stdout: { columns }, source: { env: {} } }, 'UTC'));
}

test('the head of an account is one line if it fits, by the columns that it takes', () => {
  assert.match(linesOf(null, 80)[0]!, /^a{32}  1,200 users, .* \(snapshot 7, complete\)$/);
  const wide = linesOf('日本法人日本法人', 95);
  assert.equal(wide[0], `${'a'.repeat(32)} (日本法人日本法人)`);
  assert.match(wide[1]!, /^  1,200 users, /);
});

test('a long label is wrapped between its words', () => {
  const label = '日本法人 (Tokyo): the label of the account of headquarters, which nobody can read';
  for (const over of [{}, { retired_at: new Date() }]) {
    const lines = linesOf(label, 80, over).join('\n').split('\n');
    for (const line of lines) assert.ok(stringWidth(line) <= 80, line);
    const text = lines.map((line) => line.trim()).join(' ');
    assert.ok(text.startsWith(`${'a'.repeat(32)} (${label})`), text);
  }
});
