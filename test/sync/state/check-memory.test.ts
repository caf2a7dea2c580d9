// A run stops on its own before the system would kill it for using too much memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryCheck, FIXED_BYTES } from '../../../src/sync/state/check-memory.ts';

const MB = 1024 * 1024;

test('is silent up to the limit, and one byte above it names both sizes and what to set', () => {
  let held = 0;
  const check = createMemoryCheck(256 * MB, () => held);
  check();
  held = 256 * MB - FIXED_BYTES;
  check();
  held += 1;
  assert.throws(check, { code: 'MEMORY_TOO_SMALL', exit: 78, message: /257 MB.*256 MB.*memory limit/s });
});

test('refuses a limit below what the program needs for an empty account', () => {
  assert.throws(
    createMemoryCheck(FIXED_BYTES - 1, () => 0),
    { code: 'MEMORY_TOO_SMALL' },
  );
});
