// Which process is behind a pid. A pid alone proves nothing: it may have been given to another process since.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Something that differs between two processes that had the same pid; undefined when it is gone (or a zombie). */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    return stat === undefined ? undefined : startOf(stat);
  }
  if (process.platform === 'win32') return pidIsTaken(pid) ? 'running' : undefined;
  return (await ps(pid, 'lstart='))?.trim();
}

/** The start time in what `/proc/<pid>/stat` says; undefined when the process runs nothing any more. */
export function startOf(stat: string): string | undefined {
  // The name, in brackets, may hold spaces and brackets itself: proc(5), fields 3 (state) and 22 (start time).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie runs nothing any more, and in a container without an init it may stay for ever.
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** The command line; undefined when the process is gone, empty where the system does not tell. */
export async function processCommand(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const cmdline = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
    return cmdline?.replaceAll('\0', ' ');
  }
  if (process.platform === 'win32') return pidIsTaken(pid) ? '' : undefined;
  return ps(pid, 'command=');
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  return run('/bin/ps', ['-ww', '-o', column, '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}

/** Whether any process, or the zombie of one, has this pid. */
export function pidIsTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
