// Where a feed goes on: by one clock, by a clock per account, and from one clock to clocks per account.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ONE_FOR_ALL, type FeedState } from '../../src/export/feed-state.ts';
import {
  newRows,
  nextNumber,
  nextState,
  requireSameFeed,
  unfinishedFiles,
} from '../../src/export/plan-feed.ts';
import type { FeedClock, Feed } from '../../src/export/read-clocks.ts';

const clock = (
  accountId: string | null,
  feedId: number,
  epoch: string,
  earlier: [string, number][] = [],
): FeedClock => ({
  accountId,
  feedId,
  epoch,
  earlier: new Map([[epoch, feedId], ...earlier]),
});

const state = (clocks: FeedState['clocks'], numbers: FeedState['numbers'] = {}): FeedState => ({
  accounts: null,
  partition: false,
  clocks,
  numbers,
  files: [],
});

const BEFORE = state(new Map([[ONE_FOR_ALL, { epoch: 'old', watermarks: { users: 7, levels: 5 } }]]), {
  users: 7,
  levels: 5,
});
/** One account wrote since, one did not, and one was added. */
const DISTRIBUTED: Feed = [clock('a', 9, 'old'), clock('b', 7, 'old'), clock('c', 3, 'new')];

const done = (feed: Feed) => ({ feed, datasets: ['users' as const], files: [], there: new Set<string>() });
const wentBack = { code: 'FEED_WENT_BACK' };

test('a feed that was begun before the distribution goes on: old accounts from where they were, a new account from its beginning', () => {
  requireSameFeed(BEFORE, DISTRIBUTED);
  assert.deepEqual(newRows(BEFORE, DISTRIBUTED, 'users'), [
    { accountId: 'a', after: 7 },
    { accountId: 'c', after: 0 },
  ]);
  assert.equal(nextNumber(BEFORE, DISTRIBUTED, 'users'), 8);
  const next = nextState(BEFORE, done(DISTRIBUTED));
  assert.deepEqual(Object.fromEntries(next.clocks), {
    a: { epoch: 'old', watermarks: { users: 9, levels: 5 } },
    b: { epoch: 'old', watermarks: { users: 7, levels: 5 } },
    c: { epoch: 'new', watermarks: { users: 3 } },
  });
  assert.deepEqual(next.numbers, { users: 8, levels: 5 });
  assert.equal(newRows(next, DISTRIBUTED, 'users'), null);
  assert.deepEqual(newRows(next, DISTRIBUTED, 'levels'), [
    { accountId: 'a', after: 5 },
    { accountId: 'b', after: 5 },
    { accountId: 'c', after: 0 },
  ]);
});

test('a file that an interrupted call left is found by the number of the call', () => {
  const next = nextState(BEFORE, done(DISTRIBUTED));
  const names = ['users-000000000008-000000000009.csv', 'levels-000000000005-000000000006.csv'];
  assert.deepEqual(unfinishedFiles(names, next, ['users', 'levels']), names);
  assert.deepEqual(unfinishedFiles(['users-000000000007-000000000008.csv'], next, ['users']), []);
});

test('each account must continue what was exported of it', () => {
  const before = nextState(BEFORE, done(DISTRIBUTED));
  const moved = (one: FeedClock) =>
    DISTRIBUTED.map((other) => (other.accountId === one.accountId ? one : other));
  requireSameFeed(before, moved(clock('a', 12, 'moved', [['old', 9]])));
  for (const feed of [
    moved(clock('a', 12, 'moved', [['old', 8]])),
    moved(clock('a', 12, 'other')),
    DISTRIBUTED.slice(1),
    [clock(null, 12, 'old')],
  ])
    assert.throws(() => requireSameFeed(before, feed), wentBack);
});

test('a history that no clock continues is refused, distributed or not', () => {
  assert.throws(() => requireSameFeed(BEFORE, [clock('a', 9, 'other')]), wentBack);
  assert.throws(() => requireSameFeed(BEFORE, [clock(null, 9, 'other')]), wentBack);
  assert.throws(() => requireSameFeed(BEFORE, [clock('a', 6, 'old')]), wentBack);
});
