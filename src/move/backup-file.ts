// A backup as a file, or through standard input and output. The file is whole when it has its name, and only its owner
// may read it: it holds every email and name.
import { createReadStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { OperatorError } from '../errors.ts';
import { openFile, outputFailed, standardOutput } from '../export/output.ts';
import { damaged, framesOf, MAGIC, readFrames } from './backup-frames.ts';
import type { History, TableHead } from './history.ts';

const OWNER_ONLY = 0o600;

/** Throws BACKUP_EXISTS. */
export function requireNewFile(file: string, force: boolean): void {
  if (force || file === '-' || !existsSync(file)) return;
  throw new OperatorError({
    code: 'BACKUP_EXISTS',
    happened: `${file} exists`,
    means: 'It may be a backup that is still needed, so nothing was written',
    todo: 'Give another name, or add --force to replace it once the new backup is whole',
  });
}

export type BackupTarget = { file: string; stdout: Writable; signal: AbortSignal };

/** "-": standard output. Returns the bytes written. Throws OUTPUT_FAILED, the signal's reason, and what `rowsOf` throws. */
export async function writeBackup(
  { file, stdout, signal }: BackupTarget,
  history: History,
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
    throw writing === undefined || writing !== error ? error : outputFailed(output.name, error);
  } finally {
    output.stream.off('error', failed);
    await output.drop();
  }
}

async function* withMagic(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield MAGIC;
  yield* chunks;
}

/** `stdin` is read for "-". Throws BACKUP_UNREADABLE, BACKUP_DAMAGED. */
export async function readBackup<T>(
  file: string,
  stdin: Readable,
  work: (history: History) => Promise<T>,
): Promise<T> {
  const source = file === '-' ? stdin : createReadStream(file);
  const unzip = createZstdDecompress();
  try {
    const rest = await afterMagic(source, file);
    const feeding = pipeline(rest, unzip).catch(() => undefined);
    const result = await work(await readFrames(unzipped(unzip, file)));
    await feeding;
    return result;
  } finally {
    source.destroy();
    unzip.destroy();
  }
}

/** A failure of zlib means bytes that it did not write; any other is a failure to read. */
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
    todo: 'Check the name of the file, and whether this user may read it',
    cause,
  });
}
