// Identifies this process, so that another process on the same host can tell whether it is alive. A pid alone is not
// enough: pids are used again, and containers that share a host name have their own pids.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { pidIsTaken, startOf } from './processes.ts';

export type ProcessIdentity = { host: string; process: string };

/**
 * `process` is "<boot id>/<pid namespace>/<pid>/<start time>" on Linux. Elsewhere it is "", and a death shows only as
 * silence.
 */
export function processIdentity(): ProcessIdentity {
  return { host: hostname(), process: describe(process.pid) ?? '' };
}

/** Whether the process is known to have died: same boot, same pid namespace, and no longer running. */
export function isKnownDead(identity: string): boolean {
  const parts = identity.split('/');
  const mine = describe(process.pid)?.split('/');
  if (mine === undefined || parts.length !== 4 || parts[0] !== mine[0] || parts[1] !== mine[1]) return false;
  const pid = Number(parts[2]);
  const there = describe(pid);
  // If /proc hides other users' processes (hidepid, ProtectProc), a living process cannot be read, but its pid is in
  // use.
  return there === undefined ? !pidIsTaken(pid) : there !== identity;
}

/** Null: the process has ended and is a zombie. Undefined: it cannot be read, most often because it has gone. */
function describe(pid: number): string | null | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
    const start = startOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return start === undefined ? null : `${boot}/${namespace}/${pid}/${start}`;
  } catch {
    return undefined;
  }
}
