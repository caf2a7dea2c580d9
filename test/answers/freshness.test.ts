// How fresh and how certain the data is, in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshness, type Serving } from '../../src/answers/freshness.ts';
import type { NewestSnapshot } from '../../src/queries/snapshots/newest-snapshots.ts';

const clock = { now: new Date('2026-11-29T16:00:00Z'), timezone: 'UTC' };
const serving: Serving = { nextSlot: new Date('2026-11-29T18:00:00Z'), staleAfterMs: 43_200_000 };
const one: NewestSnapshot = {
  account_id: 'a',
  account_label: 'Acme',
  retired_at: null,
  snapshot_id: 359,
  observed_at: '2026-11-29T14:00:00Z',
  verdict: 'complete',
  expected_unseen: null,
  is_baseline: false,
  low: 1,
  medium: 1,
  high: 1,
  run_status: 'succeeded',
  error_code: null,
};
const unseen: NewestSnapshot = {
  ...one,
  snapshot_id: null,
  observed_at: null,
  verdict: null,
  is_baseline: null,
  low: null,
  medium: null,
  high: null,
  run_status: null,
};

function say(newest: readonly NewestSnapshot[], given: Partial<Serving> = {}): string {
  const { state, sentences } = freshness(newest, { ...serving, ...given }, clock);
  return `${state}: ${sentences.join(' ')}`;
}

test('one account: snapshot, age, verdict, and the next run', () => {
  assert.equal(
    say([one]),
    'fresh: Snapshot 359, 2 h ago, complete: every present user was met. Next run at 18:00.',
  );
  assert.equal(
    say([{ ...one, verdict: 'partial', expected_unseen: 2.6 }], {
      nextSlot: new Date('2026-12-01T00:00:00Z'),
    }),
    'partial: Snapshot 359, 2 h ago, partial: about 3 users may have been missed and keep their last known level. Next run on 2026-12-01 at 00:00.',
  );
});

test('data that is too old is reported, and so is a failed run', () => {
  assert.equal(
    say([{ ...one, observed_at: '2026-11-28T14:00:00Z', run_status: 'failed', error_code: 'RATE_LIMITED' }], {
      nextSlot: null,
    }),
    'stale: Snapshot 359, 26 h ago, complete: every present user was met. It is stale. The newest run failed (RATE_LIMITED).',
  );
});

test('before the first snapshot, the first run is named', () => {
  assert.equal(say([]), 'none: No account was ever synced here. The first run is at 18:00.');
  assert.equal(say([unseen]), 'none: The first run is at 18:00.');
});

test('several accounts: the oldest state, the partial ones, and those without a snapshot', () => {
  assert.equal(
    say([one, { ...one, observed_at: '2026-11-29T11:00:00Z', verdict: 'partial' }, unseen]),
    'partial: 3 accounts; the oldest state is 5 h ago. 1 account is partial: some users may have been missed. 1 account has no snapshot yet. Next run at 18:00.',
  );
});

test('a retired account has no next run', () => {
  assert.equal(
    say([{ ...one, retired_at: '2026-11-29T15:00:00Z' }]),
    'retired: This account was retired on 2026-11-29. Its newest snapshot is of 2026-11-29 14:00.',
  );
});
