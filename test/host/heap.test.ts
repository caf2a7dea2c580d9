// In separate processes, because the setting applies to the whole process.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const HEAP = path.resolve(import.meta.dirname, '../../src/host/heap.ts');

/**
 * Parses pages and drops them; keeps `keptMb` of numbers on the heap. Returns the heap's peak in MB, live part
 * included.
 */
async function peakMb(bounded: boolean, keptMb: number): Promise<number> {
  const script = `
    import v8 from 'node:v8';
    import { setImmediate } from 'node:timers/promises';
    ${bounded ? `import { boundGarbage } from ${JSON.stringify(HEAP)}; boundGarbage();` : ''}
    const page = JSON.stringify(Array.from({ length: 1_000 }, (_, n) => ({ id: 'user-' + n, email: n + '@example.com', count: n })));
    const kept = [];
    let peak = 0;
    for (let n = 0; n < 400; n++) {
      if (kept.length < ${keptMb}) kept.push(Array.from({ length: 131_072 }, (_, i) => i + 0.5));
      await Promise.all([1, 2, 3, 4].map(async () => { const records = JSON.parse(page); await setImmediate(); return records.length; }));
      peak = Math.max(peak, v8.getHeapStatistics().total_heap_size);
    }
    console.log(peak / 1024 / 1024, kept.length);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  const [peak, kept] = stdout.split(' ').map(Number) as [number, number];
  assert.equal(kept, keptMb);
  return peak;
}

test('keeps the garbage of a long walk small', async () => {
  const [bounded, usual] = [await peakMb(true, 0), await peakMb(false, 0)];
  assert.ok(bounded < 32 && bounded < usual, `${bounded} MB, and ${usual} MB without`);
});

test('lets live data grow far beyond the limit on garbage', async () => {
  const peak = await peakMb(true, 200);
  assert.ok(peak > 200 && peak < 400, `${peak} MB`);
});
