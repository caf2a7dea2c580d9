import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { memoryLimitBytes, smallerLimit } from '../../src/host/host-memory.ts';

const MB = 1024 * 1024;

test('uses the limit of the container if there is one, otherwise the memory of the machine', () => {
  const cases: [constrained: number, expected: number][] = [
    [256 * MB, 256 * MB],
    [1, 1],
    [1024 * MB, 1024 * MB],
    // No limit, as Node reports it: a system without such limits, cgroups v1, cgroups v2.
    [0, 1024 * MB],
    [2 ** 63 - 4096, 1024 * MB],
    [2 ** 64, 1024 * MB],
    [Number.NaN, 1024 * MB],
    // A container may be promised more than the machine has.
    [4096 * MB, 1024 * MB],
  ];
  for (const [constrained, expected] of cases)
    assert.equal(smallerLimit(constrained, 1024 * MB), expected, String(constrained));
});

test('gives this process some memory, and no more than the machine has', () => {
  assert.ok(memoryLimitBytes() > 16 * MB && memoryLimitBytes() <= totalmem());
});
