// Ends a run before the system kills it because of its memory. Pure, except for the limit, which is handed in.
import { OperatorError } from '../../errors.ts';

/**
 * The program, its heap with garbage, connections and answers under way. Measured: 95 to 115 MB for any size of
 * account.
 */
export const FIXED_BYTES = 120 * 1024 * 1024;

/**
 * Returns a function that throws MEMORY_TOO_SMALL (exit 78) if the fixed part, the `held` bytes and `more` exceed the
 * limit.
 */
export function createMemoryCheck(limitBytes: number, held: () => number): (more?: number) => void {
  return (more = 0) => {
    const needed = FIXED_BYTES + held() + more;
    if (needed <= limitBytes) return;
    throw new OperatorError({
      code: 'MEMORY_TOO_SMALL',
      happened: `The run needs more than ${mb(needed)} MB of memory, but this process may use only ${mb(limitBytes)} MB`,
      means: 'The system would have killed the process, so the run stopped. Nothing was published',
      todo: 'Raise the memory limit of the container or service: 250 MB are enough for 1,000,000 users',
    });
  };
}

function mb(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
