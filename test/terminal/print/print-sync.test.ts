// What sync says about one account.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  emptyLine,
  syncLines,
  type SyncLine,
  type SyncMore,
} from '../../../src/terminal/print/print-sync.ts';
import { viewOf } from '../../../src/terminal/view.ts';

const MORE: SyncMore = { levels: [], isDryRun: false, isPublished: true, reasons: [], holder: null };

function said(over: Partial<SyncLine>, more: Partial<SyncMore> = {}): string {
  const line = {
    ...emptyLine('1'.repeat(32), 'succeeded'),
    verdict: 'complete',
    snapshot_id: 7,
    run_id: 9,
    users: 1_200,
    pages: 2,
    passes: 1,
    requests: 3,
    duration_ms: 1_500,
    ...over,
  };
  const view = viewOf({ stdout: {}, source: { env: {} } }, 'Europe/Berlin');
  return syncLines(line, { ...MORE, ...more }, view).join('\n');
}

test('says that nothing changed only if no user was written', () => {
  const zero = {
    appeared: 0,
    raised: 0,
    lowered: 0,
    cleared: 0,
    returned: 0,
    renamed: 0,
    activity_changed: 0,
  };
  assert.match(said(zero), /^  nothing changed$/m);
  assert.match(said({ ...zero, renamed: 30 }), /^  renamed 30$/m);
  assert.match(said({ ...zero, activity_changed: 1_000, raised: 2 }), /^  raised 2, new activity 1,000$/m);
});

test('says the same of a dry run, which publishes nothing', () => {
  const text = said({ snapshot_id: null, renamed: 30, appeared: 1 }, { isDryRun: true });
  assert.match(text, /^1{32}\n  dry run, nothing was published  complete  1,200 users$/m);
  assert.match(text, /^  appeared 1, renamed 30$/m);
});

test('names the run that is under way, with its time in the requested zone', () => {
  const holder = { runId: 41, startedAt: '2026-07-01T10:00:00Z', host: 'worker-2' };
  assert.equal(
    said({ pages: null }, { holder }),
    `${'1'.repeat(32)}  already running: run 41 since 2026-07-01 12:00 +02:00 on host worker-2`,
  );
});

test('leaves a run that published nothing to its error', () => {
  assert.equal(said({ users: null }, { isPublished: false }), '');
});
