// A backup as a file, or through standard input and output. A file with its final name is complete. Only its owner may
// read it, because it holds every email and name.
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { addAbortSignal, type Readable, type Writable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { OperatorError } from '../errors.ts';
import { openFile, outputFailed, standardOutput } from '../export/output.ts';
import { damaged, framesOf, MAGIC, readFrames } from './backup-frames.ts';
import type { MovedHistory, TableHead } from './history.ts';

const OWNER_ONLY = 0o600;

/** Throws BACKUP_EXISTS. */
export function requireNewFile(file: string, force: boolean): void {
  if (file === '-') return;
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory() === true)
    throw exists(`${file} is a folder`, 'Give the name of a file, such as one in this folder');
  if (there === undefined || force) return;
  throw exists(
    `${file} exists`,
    'Give another name, or add --force to replace it once the new backup is whole',
  );
}

function exists(happened: string, todo: string): OperatorError {
  const means = 'Nothing that is there is replaced without --force, and no folder ever. Nothing was written';
  return new OperatorError({ code: 'BACKUP_EXISTS', happened, means, todo });
}

export type BackupTarget = { file: string; stdout: Writable; signal: AbortSignal };

/**
 * "-": standard output. Returns the bytes written. Throws OUTPUT_FAILED, the signal's reason, and what `rowsOf` throws.
 */
export async function writeBackup(
  { file, stdout, signal }: BackupTarget,
  history: MovedHistory,
  onChunk: (table: TableHead, bytes: number) => void,
): Promise<number> {
  const output = file === '-' ? standardOutput(stdout) : await openFile(file, OWNER_ONLY);
  let writing: unknown;
  const failed = (error: unknown) => (writing ??= error);
  output.stream.on('error', failed);
  let bytes = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of withMagic(chunks)) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  try {
    const options = { signal, end: !output.isShared };
    await pipeline(framesOf(history, onChunk), createZstdCompress(), counted, output.stream, options);
    await output.keep();
    return bytes;
  } catch (error) {
    signal.throwIfAborted();
    throw writing === undefined || writing !== error
      ? error
      : output.isShared
        ? pipeBroken(error)
        : outputFailed(output.name, error);
  } finally {
    output.stream.off('error', failed);
    await output.drop();
  }
}

function pipeBroken(cause: unknown): OperatorError {
  return new OperatorError({
    code: 'OUTPUT_FAILED',
    happened: `The standard output could not be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`,
    means: 'What was written is no whole backup, and cannot be restored',
    todo: 'Look why the program that reads it ended, or free some space. Then run the command again',
    cause,
  });
}

async function* withMagic(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield MAGIC;
  yield* chunks;
}

export type BackupSource = { file: string; stdin: Readable & { isTTY?: boolean }; signal: AbortSignal };

/** `stdin` is read for "-". Throws BACKUP_UNREADABLE, BACKUP_DAMAGED, and the signal's reason. */
export async function readBackup<T>(
  { file, stdin, signal }: BackupSource,
  work: (history: MovedHistory) => Promise<T>,
): Promise<T> {
  if (file === '-' && stdin.isTTY === true) throw unreadable(file, 'nothing is piped into this command');
  // The source of the standard input may be silent for long, so an interrupt must end the reading.
  const source = addAbortSignal(signal, file === '-' ? stdin : createReadStream(file));
  const unzip = createZstdDecompress();
  try {
    const rest = await afterMagic(source, file);
    const feeding = pipeline(rest, unzip).catch(() => undefined);
    const result = await work(await readFrames(unzipped(unzip, file)));
    await feeding;
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    source.destroy();
    unzip.destroy();
  }
}

/** An error of zlib means that the bytes are not its own output. Any other error is a failure to read. */
async function* unzipped(unzip: Readable, file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of unzip) yield chunk as Buffer;
  } catch (error) {
    const { code = '', syscall } = error as NodeJS.ErrnoException;
    if (syscall !== undefined) throw unreadable(file, `it cannot be read (${code})`, error);
    throw damaged('it cannot be decompressed', error);
  }
}

async function afterMagic(source: Readable, file: string): Promise<AsyncIterable<Buffer>> {
  const chunks = source[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  try {
    while (start.length < MAGIC.length) {
      const { value, done } = await chunks.next();
      if (done === true) break;
      start = Buffer.concat([start, value as Buffer]);
    }
  } catch (error) {
    throw unreadable(
      file,
      `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      error,
    );
  }
  if (!start.subarray(0, MAGIC.length).equals(MAGIC))
    throw unreadable(file, 'it is not a file of `database backup`, or a newer version wrote it');
  return rest(start.subarray(MAGIC.length), chunks);
}

async function* rest(first: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (;;) {
    const { value, done } = await chunks.next();
    if (done === true) return;
    yield value;
  }
}

function unreadable(file: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'BACKUP_UNREADABLE',
    happened: `${file === '-' ? 'Standard input' : file} is no backup that can be restored: ${why}`,
    means: 'Nothing was restored',
    todo:
      file === '-'
        ? 'Pipe a backup into it, as it was written: unpacked and decrypted'
        : 'Check the name of the file, and whether this user may read it',
    cause,
  });
}
