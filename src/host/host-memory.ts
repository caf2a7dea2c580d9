// How much memory this process may use, limited by the machine or its container.
import { totalmem } from 'node:os';

export function memoryLimitBytes(): number {
  return smallerLimit(process.constrainedMemory(), totalmem());
}

/**
 * Pure. Without a limit, `constrained` is 0, or more than any machine has, or the machine's own memory on other
 * systems. (A cgroup of version 1 without a limit reports 2 ** 64.)
 */
export function smallerLimit(constrained: number, total: number): number {
  return constrained > 0 && constrained < total ? constrained : total;
}
