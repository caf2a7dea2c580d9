// A lock file around start and stop, so that processes that start at once make one server. It saves work and prints
// a clear message; the data is safe without it (the cluster appears by one rename, and Postgres locks it itself).
import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../../errors.ts';
import { processStart } from '../../host/processes.ts';

type Holder = { pid: number; start: string | undefined; host: string; token: string };

const pollMs = 50;
const touchMs = 3_000;
// For holders that cannot be looked at: in another container, or killed before they wrote their name.
const silentMs = 15_000;

/** Runs `work` while holding the lock. Throws EMBEDDED_LOCKED when it stays taken for `waitMs`. */
export async function withEmbeddedLock<T>(file: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const holder: Holder = {
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
    else if (performance.now() > deadline) throw lockedError(file, found.holder);
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

type Lock = { text: string; holder: Holder | undefined; silentForMs: number };

async function readLock(file: string): Promise<Lock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return { text, holder: parse(text), silentForMs: Date.now() - mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
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
 * One breaker at a time, who looks again: whoever removes the file after somebody else did would remove the lock of the next
 * holder. (Renaming it away, looking, and putting it back leaves an instant in which a third one finds the place free.)
 */
async function breakLock(file: string, dead: string): Promise<void> {
  const breaker = `${file}.break`;
  if (!(await take(breaker, ''))) {
    // Its holder keeps it for an instant; one that is older was killed in that instant.
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

function lockedError(file: string, holder: Holder | undefined): OperatorError {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
  return new OperatorError({
    code: 'EMBEDDED_LOCKED',
    happened: `The embedded Postgres is being started or stopped by ${who}, and that takes too long`,
    means: 'Nothing was changed',
    todo: `Try again; if that process hangs, end it (the lock is ${file})`,
  });
}
