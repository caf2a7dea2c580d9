// The content of a saved file as UTF-8, without a byte order mark: unpacked if it is gzip, converted if it is UTF-16.
// Decides by the first bytes, never by the name. Counts and hashes the unpacked bytes.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isOperatorError } from '../errors.ts';
import { notSummary, unreadableFile, type SavedFile } from './saved-file.ts';

export type Content = {
  pieces: AsyncIterable<Uint8Array>;
  /** SHA-256 of the unpacked bytes, in hexadecimal. Known when all pieces were read. */
  digest: () => string;
};

/** Reading the pieces throws IMPORT_UNREADABLE, IMPORT_NOT_SUMMARY, or signal.reason. */
export function openContent(
  file: SavedFile,
  signal: AbortSignal,
  onBytes?: (bytes: number) => void,
): Content {
  const hash = createHash('sha256');
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of toUtf8(file, hashed(await unpacked(file)))) {
        signal.throwIfAborted();
        yield piece;
      }
    } catch (error) {
      if (isOperatorError(error)) throw error;
      throw whyUnreadable(file, error);
    }
  }
  async function* hashed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      hash.update(piece);
      onBytes?.(piece.byteLength);
      yield piece;
    }
  }
  return { pieces: pieces(), digest: () => hash.copy().digest('hex') };
}

const OTHER_PACKERS: readonly (readonly [number[], string])[] = [
  [[0x50, 0x4b, 0x03, 0x04], 'a ZIP archive'],
  [[0x42, 0x5a, 0x68], 'packed with bzip2'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'packed with xz'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'packed with zstd'],
];

async function unpacked(file: SavedFile): Promise<AsyncIterable<Uint8Array>> {
  const { head, all } = await withHead(file.open(), 5);
  const packer = OTHER_PACKERS.find(([magic]) => magic.every((byte, at) => head[at] === byte));
  if (packer !== undefined)
    throw notSummary(file, `is ${packer[1]}`, 'Unpack it first. Plain JSON and gzip can be imported');
  if (head[0] !== 0x1f || head[1] !== 0x8b) return all;
  const source = Readable.from(all, { objectMode: false });
  const gunzip = createGunzip();
  // Not pipe() alone: an error of the file must end the unpacking.
  source.on('error', (error) => gunzip.destroy(error));
  return source.pipe(gunzip) as AsyncIterable<Uint8Array>;
}

const UTF16: readonly (readonly [number[], string])[] = [
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];
const UTF8_MARK = [0xef, 0xbb, 0xbf];

async function* toUtf8(file: SavedFile, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await withHead(bytes, 3);
  const utf16 = UTF16.find(([mark]) => mark.every((byte, at) => head[at] === byte));
  if (utf16 !== undefined) {
    yield* converted(file, all, utf16[1]);
    return;
  }
  let mark = UTF8_MARK.every((byte, at) => head[at] === byte) ? UTF8_MARK.length : 0;
  for await (const piece of all) {
    const skipped = Math.min(mark, piece.byteLength);
    mark -= skipped;
    if (skipped < piece.byteLength) yield piece.subarray(skipped);
  }
}

/** PowerShell writes UTF-16 if the output of a command is sent to a file. */
async function* converted(
  file: SavedFile,
  bytes: AsyncIterable<Uint8Array>,
  encoding: string,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (piece?: Uint8Array) => {
    try {
      return Buffer.from(piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true }));
    } catch {
      throw notSummary(
        file,
        'begins as UTF-16, and holds bytes that are not',
        'Save it again as UTF-8, or leave it out',
      );
    }
  };
  for await (const piece of bytes) yield decode(piece);
  yield decode();
}

/** The first `least` bytes, or all if there are fewer. Then all bytes, including these. */
async function withHead(
  pieces: AsyncIterable<Uint8Array>,
  least: number,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < least) {
    const next = await iterator.next();
    if (next.done === true) break;
    first.push(next.value);
    length += next.value.byteLength;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      // Closes the file, whichever side stops reading first.
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(first), all: all() };
}

const REASONS: Readonly<Record<string, readonly [why: string, todo: string]>> = {
  ENOENT: ['there is no such file', 'Check the path'],
  EISDIR: ['it is a folder', 'Give its files, for example folder/*.json.gz'],
  EACCES: ['this user may not read it', 'Change its permissions, or run as another user'],
  EPERM: ['this user may not read it', 'Change its permissions, or run as another user'],
  Z_BUF_ERROR: ['its gzip data end in the middle', 'Copy or download it again, or leave it out'],
  Z_DATA_ERROR: ['its gzip data are damaged', 'Copy or download it again, or leave it out'],
};

/** An abort is no fault of the file. */
function whyUnreadable(file: SavedFile, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !/^[EZ][A-Z_]+$/.test(code)) return error;
  const [why, todo] = REASONS[code] ?? [
    `the system says ${code}`,
    'Look at the disk or the share that it lies on',
  ];
  return unreadableFile(file, why, todo, error);
}
