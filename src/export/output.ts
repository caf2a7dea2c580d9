// Where exported bytes are written. A file is written under a temporary name and flushed to the disk; keep() gives it
// its name. So a file with its final name is always complete, also after a crash.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { OperatorError } from '../errors.ts';

/** A file without its final name. */
export type Nameless = {
  /** The path that it will have, or "-". */
  name: string;
  /** The file gets its name. */
  keep: () => Promise<void>;
  drop: () => Promise<void>;
};

export type Output = Nameless & {
  stream: Writable;
  /** Whether the stream stays open after the last byte, because it belongs to the process. */
  isShared: boolean;
};

/** "-": not a file. */
export function standardOutput(stream: Writable): Output {
  return { name: '-', stream, isShared: true, keep: async () => undefined, drop: async () => undefined };
}

/** `mode`: the mode of a new file, within the umask. Throws OUTPUT_FAILED. */
export async function openFile(file: string, mode = 0o666): Promise<Output> {
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.part`);
  await makeFolder(file, folder);
  const stream = createWriteStream(temporary, { flags: 'wx', flush: true, mode });
  return { ...nameless(file, folder, temporary), stream, isShared: false };
}

function nameless(file: string, folder: string, temporary: string): Nameless {
  return {
    name: file,
    async keep() {
      await orOutputFailed(file, rename(temporary, file));
      await flushFolder(folder);
    },
    async drop() {
      await rm(temporary, { force: true }).catch(() => undefined);
    },
  };
}

/** The names of new folders are flushed as well. */
async function makeFolder(file: string, folder: string): Promise<void> {
  const highest = await orOutputFailed(file, mkdir(folder, { recursive: true }));
  if (highest === undefined) return;
  const above = path.dirname(path.resolve(highest));
  for (let at = path.resolve(folder); at !== above;) await flushFolder((at = path.dirname(at)));
}

/** The name of a file is safe only when its folder is also on the disk. Windows has no flush of folders. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

export async function orOutputFailed<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw outputFailed(file, error);
  }
}

const ROOM = 'Free some space, or choose a place that has more';
const IN_THE_WAY = 'A file has the name of a folder that is needed, or the reverse: choose another name';
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: ROOM,
  EDQUOT: ROOM,
  EFBIG: ROOM,
  EEXIST: IN_THE_WAY,
  ENOTDIR: IN_THE_WAY,
  EISDIR: IN_THE_WAY,
  ENOENT: 'Make its folder first, or choose another one',
};

export function outputFailed(file: string, error: unknown): OperatorError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new OperatorError({
    code: 'OUTPUT_FAILED',
    happened: `${file} could not be written (${code})`,
    means: 'A file that is not complete has no name. An earlier one under the same name is as it was',
    todo: `${ADVICE[code] ?? 'Choose a place that you may write to'}. Then run the command again`,
    cause: error,
  });
}
