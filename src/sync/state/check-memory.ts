// Ends a run before the system kills it for its memory. Pure but for the limit, which is handed in.
import { OperatorError } from '../../errors.ts';

/** The program, its heap with garbage, connections and answers under way: measured 95 to 115 MB, whatever the account. */
export const FIXED_BYTES = 120 * 1024 * 1024;

/** Returns what throws MEMORY_TOO_SMALL (exit 78) once `held` bytes beside the fixed part exceed the limit. */
export function createMemoryCheck(limitBytes: number, held: () => number): () => void {
  return () => {
    const needed = FIXED_BYTES + held();
    if (needed <= limitBytes) return;
    throw new OperatorError({
      code: 'MEMORY_TOO_SMALL',
      happened: `The run needs more than ${mb(needed)} MB of memory, and this process may have ${mb(limitBytes)} MB`,
      means: 'It would be killed before its end, so it stopped, and nothing was published',
      todo: 'Raise the memory limit of the container or service: 250 MB are enough for 1,000,000 users',
    });
  };
}

function mb(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
