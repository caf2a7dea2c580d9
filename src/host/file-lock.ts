// A lock file: one process at a time does the work, and the others learn which process it is. A dead holder is noticed.
import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStart } from './processes.ts';

type LockOwner = { pid: number; start: string | undefined; host: string; token: string };

const pollMs = 50;
const touchMs = 3_000;
// For holders that cannot be checked: a holder in another container, or one that was killed before it wrote its name.
const silentMs = 15_000;

/**
 * Runs `work` while holding the lock. Throws what `locked` makes if another process holds it for longer than `waitMs`.
 * `who` is "process 12 on host x".
 */
export async function withFileLock<T>(
  file: string,
  waitMs: number,
  locked: (who: string) => Error,
  work: () => Promise<T>,
): Promise<T> {
  const holder: LockOwner = {
    pid: process.pid,
    start: await processStart(process.pid),
    host: hostname(),
    token: randomUUID(),
  };
  const mine = JSON.stringify(holder);
  const deadline = performance.now() + waitMs;
  while (!(await take(file, mine))) {
    const found = await readLock(file);
    if (found === undefined) continue;
    if (await isDead(found)) await breakLock(file, found.text);
    else if (performance.now() > deadline) throw locked(describe(found.holder));
    else await sleep(pollMs);
  }
  const touch = setInterval(() => {
    utimes(file, new Date(), new Date()).catch(() => undefined);
  }, touchMs);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if ((await readLock(file))?.text === mine) await rm(file, { force: true });
  }
}

async function take(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

type Lock = { text: string; holder: LockOwner | undefined; silentForMs: number };

async function readLock(file: string): Promise<Lock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return { text, holder: parse(text), silentForMs: Date.now() - mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string): LockOwner | undefined {
  try {
    return JSON.parse(text) as LockOwner;
  } catch {
    return undefined;
  }
}

async function isDead({ holder, silentForMs }: Lock): Promise<boolean> {
  if (holder?.start !== undefined && holder.host === hostname()) {
    return (await processStart(holder.pid)) !== holder.start;
  }
  return silentForMs > silentMs;
}

/**
 * Removes the lock of a dead holder. Only one process does so at a time, and it reads the lock again first. Otherwise a
 * second process could remove the lock of the next holder. (It does not help to rename the lock away, read it and put
 * it back: in between, a third process may find no lock.)
 */
async function breakLock(file: string, dead: string): Promise<void> {
  const breaker = `${file}.break`;
  if (!(await take(breaker, ''))) {
    // A process keeps this file only for a moment. If the file is older, its process was killed in that moment.
    if (((await readLock(breaker))?.silentForMs ?? 0) > silentMs) await rm(breaker, { force: true });
    await sleep(pollMs);
    return;
  }
  try {
    if ((await readLock(file))?.text === dead) await rm(file, { force: true });
  } finally {
    await rm(breaker, { force: true });
  }
}

function describe(holder: LockOwner | undefined): string {
  return holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
}
