// Which account is meant by the ids of two snapshots, where each account numbers its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAccount } from '../../../src/commands/options/moments.ts';

const AT = new Date('2026-03-01Z');
const now = { kind: 'time', at: AT } as const;
const of = (id: number, ...keys: number[]) => ({
  kind: 'snapshots' as const,
  id,
  found: keys.map((account_key) => ({ account_key, observed_at: new Date(AT.getTime() + account_key) })),
});

test('two times name no account', () => {
  assert.deepEqual(chooseAccount(now, now), { from: AT, to: AT, accountKey: null });
});

test('the account that has both snapshots is meant', () => {
  const { from, to, accountKey } = chooseAccount(of(2, 1, 2), of(3, 2, 3));
  assert.deepEqual([from.getTime() - AT.getTime(), to.getTime() - AT.getTime(), accountKey], [2, 2, 2]);
  assert.equal(chooseAccount(now, of(3, 7)).accountKey, 7);
});

test('several such accounts, or none, are refused', () => {
  assert.throws(() => chooseAccount(of(2, 1, 2), now), { code: 'SNAPSHOT_AMBIGUOUS' });
  assert.throws(() => chooseAccount(of(2, 1, 2), of(3, 1, 2)), { code: 'SNAPSHOT_AMBIGUOUS' });
  assert.throws(() => chooseAccount(of(2, 1), of(3, 2)), { code: 'SNAPSHOTS_UNRELATED' });
});
