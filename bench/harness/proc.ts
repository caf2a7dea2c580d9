// Processor time and memory of processes, from /proc on Linux. On other systems every figure is NaN.
import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ: 100 on every Linux that Node runs on.
const TICK_MS = 10;

type Times = { ownMs: number; reapedMs: number };

/** User and system time of the process, and of the children that it has waited for. */
function timesOf(pid: number | 'self'): Times {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return { ownMs: Number.NaN, reapedMs: Number.NaN };
  // The name in parentheses may hold spaces.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
  return { ownMs: (utime + stime) * TICK_MS, reapedMs: (cutime + cstime) * TICK_MS };
}

/**
 * CPU time of all children of this process that have ended. The kernel adds it up when a child is waited for, so
 * nothing is missed.
 */
export function cpuOfEndedChildren(): number {
  return timesOf('self').reapedMs;
}

/**
 * CPU time of a process and all its descendants. A running process counts on its own. An ended process counts in the
 * process that waited for it.
 */
export function cpuOfTree(pid: number): number {
  return treeOf(pid)
    .map(timesOf)
    .filter(({ ownMs }) => !Number.isNaN(ownMs))
    .reduce((sum, { ownMs, reapedMs }) => sum + ownMs + reapedMs, 0);
}

/**
 * Peak resident memory of a process and its running children, in MB. Taken from VmHWM, because `ru_maxrss` of a child
 * begins with the memory that its parent held at that time.
 */
export function peakOfTree(pid: number): number {
  let kb = 0;
  for (const one of treeOf(pid))
    kb += Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${one}/status`) ?? '')?.[1] ?? 0);
  return kb / 1024;
}

/**
 * Memory that these processes and their children use now, in MB. A shared page counts once in total: each process
 * counts its part.
 */
export function memoryOfTree(pid: number): number {
  let kb = 0;
  for (const one of treeOf(pid))
    kb += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${one}/smaps_rollup`) ?? '')?.[1] ?? 0);
  return kb / 1024;
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** /proc lists a child under the thread that started it. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      (read(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Null if the process no longer exists. */
function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
