// The changed and new records of a walk, compressed, in 256 buckets by the first byte of the user id. A superseded
// record stays: the user table knows which record counts.
//
// Changes are read back in the order of user ids. New users get their keys in that order, so the two indexes of `users`
// grow side by side. Measured at 100,000: 0.30 s of server time, instead of 0.53 s in the order of the pages.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { mapIdentity } from '../../user-risk.ts';
import { decodeIdentity, endOfIdentity, type IdentityBytes } from '../state/encode-identity.ts';
import { readValues, VALUES_BYTES, writeValues, type RiskValues } from '../state/encode-values.ts';
import { emptyValues, type UserValues } from '../state/user-table.ts';

/** `hash` is left to the reader, who has the key. */
export type LoggedChange = UserValues & {
  /** The row in the user table. */
  row: number;
  /** What encodeIdentity wrote. */
  encoded: Buffer;
  identity: IdentityBytes;
};

export type ChangeLog = {
  /** `identity` is what encodeIdentity wrote, up to `end`. Returns the number of the change. Numbers rise from 1. */
  append(row: number, id: Int32Array, values: RiskValues, identity: Buffer, end: number): number;
  /** Bytes held. */
  bytes(): number;
  /**
   * Yields the changes that `isWanted` accepts, in the order of user ids. `byId` compares two rows. It yields the same
   * object each time, and the bytes are valid until the next change.
   */
  read(
    isWanted: (row: number, change: number) => boolean,
    byId: (row: number, other: number) => number,
  ): Generator<LoggedChange>;
};

type LogBucket = { pieces: Buffer[]; tail: Buffer; end: number };

const BUCKETS = 256;
// 4 MB if all buckets are in use. Larger pieces hardly compress better: names and addresses repeat within a few
// kilobytes.
const PIECE_BYTES = 16 * 1024;
// Change, row, level and activity. The user id is in the table, and the hash is computed again, because
// both compress badly.
const HEAD_BYTES = 4 + 4 + VALUES_BYTES;
const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export function createChangeLog(): ChangeLog {
  const buckets = createBuckets();
  let changes = 0;
  return {
    append(row, id, values, identity, identityEnd) {
      const bucket = buckets.room((id[0] as number) >>> 24, HEAD_BYTES + identityEnd);
      const into = bucket.tail;
      let at = into.writeUInt32LE(++changes, bucket.end);
      at = into.writeUInt32LE(row, at);
      at = writeValues(values, into, at);
      identity.copy(into, at, 0, identityEnd);
      bucket.end = at + identityEnd;
      return changes;
    },
    bytes: () => buckets.bytes(),
    *read(isWanted, byId) {
      const change: LoggedChange = {
        ...emptyValues(),
        row: 0,
        encoded: Buffer.alloc(0),
        identity: mapIdentity(() => null),
      };
      for (const bytes of buckets.contents()) {
        for (const at of wantedIn(bytes, isWanted, byId)) {
          readChange(bytes, at, change);
          yield change;
        }
      }
    },
  };
}

/** Reads the change that `append` wrote at `at`. */
function readChange(bytes: Buffer, at: number, into: LoggedChange): void {
  const identity = at + HEAD_BYTES;
  into.row = bytes.readUInt32LE(at + 4);
  readValues(bytes, at + 8, into);
  into.encoded = bytes.subarray(identity, decodeIdentity(bytes, identity, into.identity));
}

function createBuckets() {
  const buckets: (LogBucket | undefined)[] = Array.from({ length: BUCKETS });
  let held = 0;
  return {
    bytes: () => held,
    /** Returns the bucket with room in its tail for `wanted` more bytes. */
    room(number: number, wanted: number): LogBucket {
      let bucket = buckets[number];
      if (bucket === undefined) {
        bucket = { pieces: [], tail: Buffer.allocUnsafeSlow(PIECE_BYTES), end: 0 };
        buckets[number] = bucket;
        held += PIECE_BYTES;
      }
      if (bucket.end + wanted > bucket.tail.length && bucket.end > 0) held += compressTail(bucket);
      // For a name of ten thousand characters.
      if (wanted > bucket.tail.length) {
        held += wanted - bucket.tail.length;
        bucket.tail = Buffer.allocUnsafeSlow(wanted);
      }
      return bucket;
    },
    /** The content of each bucket that is in use, in the order of their numbers. */
    *contents(): Generator<Buffer> {
      for (const bucket of buckets) {
        if (bucket === undefined) continue;
        const { pieces, tail, end } = bucket;
        yield Buffer.concat([...pieces.map((piece) => zstdDecompressSync(piece)), tail.subarray(0, end)]);
      }
    },
  };
}

/** Compresses the tail. Returns the number of bytes that this adds. */
function compressTail(bucket: LogBucket): number {
  // Node returns a slice of a larger buffer. Keeping the slice would keep the whole buffer in memory.
  const compressed = zstdCompressSync(bucket.tail.subarray(0, bucket.end), LEVEL_1);
  const piece = Buffer.allocUnsafeSlow(compressed.length);
  compressed.copy(piece);
  bucket.pieces.push(piece);
  bucket.end = 0;
  return piece.length;
}

/** The offsets of the wanted changes in a bucket's bytes, by user id. */
function wantedIn(
  bytes: Buffer,
  isWanted: (row: number, change: number) => boolean,
  byId: (row: number, other: number) => number,
): number[] {
  const found: number[] = [];
  for (let at = 0; at < bytes.length;) {
    if (isWanted(bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at))) found.push(at);
    at = endOfIdentity(bytes, at + HEAD_BYTES);
  }
  return found.sort((a, b) => byId(bytes.readUInt32LE(a + 4), bytes.readUInt32LE(b + 4)));
}
