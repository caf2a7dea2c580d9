// The format of a backup file. A line of text says what it is. After it, one zstd stream holds frames: a byte for the
// kind, four bytes for the length, a CRC-32 of the content, and the content. Order: head (JSON), then for each table
// its rows (bytes of COPY in binary format) and an end, and last a SHA-256 of all frames before it. A file without that
// last frame is not complete. The CRC keeps changed rows away from the server, because the server gets rows before the
// end is read.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { OperatorError } from '../errors.ts';
import { HistoryHead, type MovedHistory, type TableHead } from './history.ts';

export const MAGIC = Buffer.from('zt-risk-sync history, format 1\n');

const KIND = { head: 0x48, rows: 0x52, tableEnd: 0x45, end: 0x5a } as const;
const KINDS: readonly number[] = Object.values(KIND);
const HEADER_BYTES = 9;
// A chunk of a connection is 64 KiB. The head is a few kilobytes.
const MOST_BYTES = 16 * 1024 * 1024;

/** Everything after the first line, before compression. */
export async function* framesOf(
  { head, rowsOf }: MovedHistory,
  onChunk: (table: TableHead, bytes: number) => void,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const hashed = (kind: number, content: Buffer): Buffer[] => {
    const parts = frameOf(kind, content);
    for (const part of parts) hash.update(part);
    return parts;
  };
  yield* hashed(KIND.head, Buffer.from(JSON.stringify(head)));
  for (const table of head.tables) {
    for await (const chunk of rowsOf(table)) {
      onChunk(table, chunk.length);
      yield* hashed(KIND.rows, chunk);
    }
    yield* hashed(KIND.tableEnd, Buffer.alloc(0));
  }
  yield* frameOf(KIND.end, hash.digest());
}

function frameOf(kind: number, content: Buffer): Buffer[] {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(kind);
  header.writeUInt32BE(content.length, 1);
  header.writeUInt32BE(crc32(content), 5);
  return [header, content];
}

type Frame = { kind: number; content: Buffer };

/**
 * The history in `bytes`, which follow the first line and are already decompressed. Rows are handed on before their
 * file is known to be complete. So do not use any row before the end was read. Throws BACKUP_DAMAGED, BACKUP_VERSION.
 */
export async function readFrames(bytes: AsyncIterable<Buffer>): Promise<MovedHistory> {
  const hash = createHash('sha256');
  const take = byteReader(bytes);
  const next = async (): Promise<Frame & { header: Buffer }> => {
    const header = await take(HEADER_BYTES);
    const [kind, length] = [header.readUInt8(), header.readUInt32BE(1)];
    if (!KINDS.includes(kind) || length > MOST_BYTES) throw damaged('it holds something unknown');
    const content = await take(length);
    if (crc32(content) !== header.readUInt32BE(5)) throw damaged('a part of it was changed');
    return { kind, content, header };
  };
  const hashed = async (): Promise<Frame> => {
    const { header, ...frame } = await next();
    hash.update(header).update(frame.content);
    return frame;
  };
  const first = await hashed();
  const head = parseHead(first);
  return {
    head,
    async *rowsOf() {
      for (;;) {
        const { kind, content } = await hashed();
        if (kind === KIND.tableEnd) return;
        if (kind !== KIND.rows) throw damaged('rows are missing');
        yield content;
      }
    },
    async requireWhole() {
      const { kind, content } = await next();
      if (kind !== KIND.end || !content.equals(hash.digest())) throw damaged('its checksum is wrong');
    },
  };
}

function parseHead({ kind, content }: Frame): HistoryHead {
  if (kind !== KIND.head) throw damaged('its head is missing');
  try {
    return HistoryHead.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw damaged('its head cannot be read', error);
  }
}

/** Returns exactly this number of next bytes. */
function byteReader(bytes: AsyncIterable<Buffer>): (length: number) => Promise<Buffer> {
  const source = bytes[Symbol.asyncIterator]();
  let held: Buffer[] = [];
  let size = 0;
  return async (length) => {
    while (size < length) {
      const { value, done } = await source.next();
      if (done === true) throw damaged('it ends too early');
      held.push(value);
      size += value.length;
    }
    const all = held.length === 1 ? held[0]! : Buffer.concat(held);
    held = [all.subarray(length)];
    size -= length;
    return all.subarray(0, length);
  };
}

export function damaged(why: string, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'BACKUP_DAMAGED',
    happened: `The backup is damaged: ${why}`,
    means: 'Nothing of it was kept. The target is refused until a whole backup is restored into it',
    todo: 'Use another copy of the file, or another backup. A file that was not copied to its end is the usual reason',
    cause,
  });
}
