// The files of one dataset in folders account=…/date=…, which Spark, Trino, DuckDB, Athena and BigQuery read as one
// table. One file is open at a time, and all get their names together at the end.
import { readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { OperatorError } from '../errors.ts';
import { openFile, orOutputFailed, outputFailed, type Nameless } from './output.ts';

export type Partitions = Nameless & {
  /** Takes the next bytes of the file of a partition, "account=…/date=…". A partition occurs once. */
  write(partition: string, bytes: Uint8Array): Promise<void>;
  /** The partition has no more bytes. */
  end(rows: number): Promise<void>;
  files(): readonly { name: string; rows: number }[];
};

/** Each file is called `file`, in the folder of its partition. */
export function openPartitions(folder: string, file: string): Partitions {
  const files: (Nameless & { rows: number })[] = [];
  let stream: Writable | undefined;
  let kept = 0;
  return {
    name: folder,
    async write(partition, bytes) {
      if (stream === undefined) {
        const { name, keep, drop, ...opened } = await openFile(path.join(folder, partition, file));
        // Does not keep the stream, because there may be a hundred thousand files.
        files.push({ name, keep, drop, rows: 0 });
        // write() and end() also report an error. Without a listener, the error event would end the process.
        stream = opened.stream.on('error', () => undefined);
      }
      await orOutputFailed(folder, written(stream, bytes));
    },
    async end(rows) {
      if (stream === undefined) return;
      files.at(-1)!.rows = rows;
      await orOutputFailed(folder, ended(stream));
      stream = undefined;
    },
    files: () => files,
    async keep() {
      for (; kept < files.length; kept++) await files[kept]!.keep();
    },
    async drop() {
      stream?.destroy();
      for (const { name, drop } of files.slice(kept)) {
        await drop();
        await removeEmpty(path.dirname(name), folder);
      }
    },
  };
}

/** Throws EXPORT_OPTIONS if the folder is not empty: files of another export would count as rows of this one. */
export async function requireEmptyFolder(folder: string): Promise<void> {
  const there = await namesIn(folder);
  if (there.length === 0) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: `${folder} is not empty`,
    means:
      'A reader treats every file below it as rows of one table, so rows could count twice. Nothing was exported',
    todo: 'Give a new folder, or empty this one. To add what is new to a folder, use --state from the beginning',
  });
}

/** Everything below a folder, as paths with slashes on every system. Throws OUTPUT_FAILED. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive: true })).map((name) => name.replaceAll(path.sep, '/'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw outputFailed(folder, error);
  }
}

/** Removes a file and the folders above it that are then empty, up to and including `top`. */
export async function removeFromPartition(file: string, top: string): Promise<void> {
  await rm(file, { force: true });
  await removeEmpty(path.dirname(file), top);
}

/** A folder that is not empty stays: rmdir refuses it. */
async function removeEmpty(folder: string, top: string): Promise<void> {
  for (let at = folder; ; at = path.dirname(at)) {
    const isGone = await rmdir(at).then(
      () => true,
      () => false,
    );
    if (!isGone || at === top) return;
  }
}

function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function ended(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => stream.on('error', reject).on('close', resolve).end());
}
