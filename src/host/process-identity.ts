// Names this process so that another one on the same host can tell whether it is still alive. A number alone will not
// do: process ids are used again, and containers that share a host name each have their own numbers.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { pidIsTaken, startOf } from './processes.ts';

export type ProcessIdentity = { host: string; process: string };

/** `process` is "<boot id>/<pid namespace>/<pid>/<start time>" on Linux, "" elsewhere (then only time tells). */
export function processIdentity(): ProcessIdentity {
  return { host: hostname(), process: describe(process.pid) ?? '' };
}

/** Whether the process is known to have died: same boot, same pid namespace, and it is not there any more. */
export function isKnownDead(identity: string): boolean {
  const parts = identity.split('/');
  const mine = describe(process.pid)?.split('/');
  if (mine === undefined || parts.length !== 4 || parts[0] !== mine[0] || parts[1] !== mine[1]) return false;
  const pid = Number(parts[2]);
  const there = describe(pid);
  // Where /proc hides other users' processes (hidepid, ProtectProc), a living one cannot be looked at, but its number is taken.
  return there === undefined ? !pidIsTaken(pid) : there !== identity;
}

/** Null: it runs nothing any more. Undefined: it cannot be looked at, most often because it is gone. */
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
