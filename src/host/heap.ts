// Keeps the garbage of a long walk small, by how V8 collects, not by a limit: nothing dies of a heap that is too small, and what
// is in use may grow with the account.
import module from 'node:module';
import { PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';

/** Both halves together; V8 would let them grow to 32 MB. At 2 MB a walk takes a third more CPU, at 8 MB a twentieth. */
const YOUNG_BYTES = 8 * 1024 * 1024;
/** By how much the heap may outgrow what is in use before all of it is collected; V8 would allow 300 % on a large machine. */
const GROWTH_PERCENT = 50;

/** For this process, from now on. Call it when everything is loaded: compiled code is kept for the flags it was compiled under. */
export function boundGarbage(): void {
  module.flushCompileCache();
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  // --max-semi-space-size has no effect on a heap that exists; how it grows is looked up each time.
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
