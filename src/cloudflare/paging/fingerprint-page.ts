// Tells whether a page has the same users as an earlier page, in any order. Keeps no id.
import { keyedHash, randomHashKey, type HashKey } from '../../keyed-hash.ts';

// Keyed, so that an attacker cannot make one list of users look like another. Only fingerprints of the same process are
// compared.
let key: HashKey | undefined;

/**
 * Adds up one 64-bit hash per record: of the user id in lower case, or of the whole JSON if there is no id. A sum does
 * not depend on order, because the server may return ties in varying order.
 */
export function createUsersFingerprint(): { add(record: unknown): void; end(): string } {
  const hash = new Uint32Array(2);
  const id = Buffer.alloc(UUID_BYTES);
  const hashKey = (key ??= randomHashKey());
  let count = 0;
  let low = 0;
  let high = 0;
  return {
    add(record) {
      const text = idOf(record);
      // Most ids are uuids. They share one buffer.
      const isUuidLong = Buffer.byteLength(text) === UUID_BYTES;
      if (isUuidLong) id.write(text);
      const bytes = isUuidLong ? id : Buffer.from(text);
      keyedHash(hashKey, bytes, 0, bytes.length, hash, 0);
      count++;
      const sum = low + hash[0]!;
      low = sum >>> 0;
      high = (high + hash[1]! + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
    },
    end: () => `${count}:${high.toString(36)}:${low.toString(36)}`,
  };
}

const UUID_BYTES = 36;

function idOf(record: unknown): string {
  const id =
    typeof record === 'object' && record !== null ? (record as { user_id?: unknown }).user_id : undefined;
  if (typeof id === 'string') return id.toLowerCase();
  try {
    return JSON.stringify(record ?? null);
  } catch {
    return 'nested too deeply to be written again';
  }
}
