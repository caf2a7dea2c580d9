// The span of an address that names none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitting } from '../../src/answers/scope.ts';

test('a page of a young history shows the shortest range that holds it, and 90 days of an old one', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const after = (hours: number) => fitting({ now, firstAt: new Date(now.getTime() - hours * 3_600_000) });
  assert.deepEqual([0, 23, 24, 167, 168, 719, 720, 50_000].map(after), [
    '24h',
    '24h',
    '7d',
    '7d',
    '30d',
    '30d',
    '90d',
    '90d',
  ]);
});
