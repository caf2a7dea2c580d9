// Which process has a pid. A pid alone proves nothing: it may have been given to another process since.
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A text that differs between two processes that had the same pid. Undefined if the process is gone or a zombie. */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    return stat === undefined ? undefined : startOf(stat);
  }
  if (process.platform === 'win32') return pidIsTaken(pid) ? 'running' : undefined;
  return (await ps(pid, 'lstart='))?.trim();
}

/** The start time in `/proc/<pid>/stat`. Undefined if the process has ended. */
export function startOf(stat: string): string | undefined {
  // The name in brackets may itself hold spaces and brackets. See proc(5): fields 3 (state) and 22 (start time).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended, and in a container without an init process it may stay until the container stops.
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** The command line. Undefined if the process is gone, empty if the system does not provide it. */
export async function processCommand(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const cmdline = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
    return cmdline?.replaceAll('\0', ' ');
  }
  if (process.platform === 'win32') return pidIsTaken(pid) ? '' : undefined;
  return ps(pid, 'command=');
}

/** The user id that the process runs as. Undefined: the process is gone, or the system does not say. */
export async function processOwner(pid: number): Promise<number | undefined> {
  if (process.platform === 'linux') {
    return stat(`/proc/${pid}`).then(
      ({ uid }) => uid,
      () => undefined,
    );
  }
  const text = process.platform === 'win32' ? undefined : await ps(pid, 'uid=');
  return text === undefined || text.trim() === '' ? undefined : Number(text);
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  return run('/bin/ps', ['-ww', '-o', column, '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}

/** Whether a process, or a zombie, has this pid. */
export function pidIsTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
