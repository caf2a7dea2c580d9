// Keeps the garbage of a long walk small by changing how V8 collects it. Sets no limit: no process dies of a small
// heap, and the memory in use may grow with the account.
import module from 'node:module';
import { PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';

/**
 * Both halves of the young generation together; V8 would let them grow to 32 MB. At 2 MB a walk takes a third more CPU,
 * at 8 MB a twentieth more.
 */
const YOUNG_BYTES = 8 * 1024 * 1024;
/**
 * How far the heap may outgrow the memory in use before all of it is collected; V8 would allow 300 % on a large
 * machine.
 */
const GROWTH_PERCENT = 50;

/**
 * Applies to this process from now on. Call it when everything is loaded, because cached code belongs to the flags
 * under which it was compiled.
 */
export function boundGarbage(): void {
  module.flushCompileCache();
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  // --max-semi-space-size has no effect on an existing heap. The growth factor does: V8 reads it each time.
  const stopGrowing = () => {
    if (youngBytes() < YOUNG_BYTES) return;
    v8.setFlagsFromString('--semi-space-growth-factor=1');
    collections.disconnect();
  };
  const collections = new PerformanceObserver(stopGrowing);
  collections.observe({ entryTypes: ['gc'] });
  stopGrowing();
}

function youngBytes(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}
