// A statement that must return one row.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onlyRow } from '../../../src/db/sql/only-row.ts';

test('the only row is returned, and no row or several rows are an error', () => {
  assert.deepEqual(onlyRow([{ count: 0 }]), { count: 0 });
  assert.throws(() => onlyRow([]), /returned 0 rows, not one/);
  assert.throws(() => onlyRow([{ count: 1 }, { count: 2 }]), /returned 2 rows, not one/);
});
