// How much memory this process may have, of the machine or of the container it runs in.
import { totalmem } from 'node:os';

export function memoryLimitBytes(): number {
  return smallerLimit(process.constrainedMemory(), totalmem());
}

/**
 * Pure. Without a limit `constrained` is 0, or a number that no machine has: 2 ** 64 where a cgroup of version 1 says nothing,
 * and the machine's own memory on other systems.
 */
export function smallerLimit(constrained: number, total: number): number {
  return constrained > 0 && constrained < total ? constrained : total;
}
