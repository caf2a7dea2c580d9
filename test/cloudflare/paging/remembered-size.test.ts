import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AUTO_SIZES } from '../../../src/cloudflare/paging/pass.ts';
import { firstSizeOf, REMEMBERED_MS, sizeToKeep } from '../../../src/cloudflare/paging/remembered-size.ts';
import type { PageSizeKept } from '../../../src/evidence.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const at = (ms: number) => new Date(NOW + ms).toISOString();

test('a run begins with the size that worked, until a day has passed since larger sizes were tried', () => {
  const kept = (ms: number) => ({ per_page: 25, tried_at: at(ms) });
  assert.equal(firstSizeOf(null, at(0)), 1_000);
  assert.equal(firstSizeOf(kept(0), at(0)), 25);
  assert.equal(firstSizeOf(kept(-REMEMBERED_MS + 1), at(0)), 25);
  assert.equal(firstSizeOf(kept(-REMEMBERED_MS), at(0)), 1_000);
  // A clock that was wrong, and a size that this version does not know.
  assert.equal(firstSizeOf(kept(1), at(0)), 1_000);
  assert.equal(firstSizeOf({ per_page: 25, tried_at: 'never' }, at(0)), 1_000);
  assert.equal(firstSizeOf({ per_page: 33, tried_at: at(0) }, at(0)), 1_000);
  assert.equal(firstSizeOf({ per_page: 0, tried_at: at(0) }, at(0)), 0, 'no parameter');
});

test('however often it runs, the largest size is tried at least once a day', () => {
  const runs = fc.array(
    fc.record({ after: fc.integer({ min: 1, max: 10 * 3_600_000 }), worked: fc.constantFrom(...AUTO_SIZES) }),
    { minLength: 20, maxLength: 60 },
  );
  fc.assert(
    fc.property(runs, (all) => {
      let kept: PageSizeKept | null = null;
      let time = 0;
      let triedAt = 0;
      for (const { after, worked } of all) {
        time += after;
        const first = firstSizeOf(kept, at(time));
        if (first === AUTO_SIZES[0]) triedAt = time;
        assert.ok(time - triedAt < REMEMBERED_MS, `not tried for ${time - triedAt} ms`);
        // A walk ends with the size that it began with, or with a smaller one.
        const ended = AUTO_SIZES[Math.max(AUTO_SIZES.indexOf(first), AUTO_SIZES.indexOf(worked))]!;
        kept = sizeToKeep(ended, first, kept, at(time));
        assert.equal(kept === null, ended === AUTO_SIZES[0]);
      }
    }),
  );
});
