// HalfSipHash-2-4 with 64 bits of output, by Aumasson and Bernstein: a keyed hash in 32-bit arithmetic. Without the
// key, an attacker cannot choose inputs that collide. The key lasts as long as the process, so never store a hash.
// Measured on Node 24 for 45 bytes: 100 to 215 ns. `hash('sha256', …)` of node:crypto takes 450 to 500 ns for
// hexadecimal text, and 1,040 to 1,400 ns for a buffer.
import { getRandomValues } from 'node:crypto';

/** Two unsigned words of 32 bits. */
export type HashKey = Readonly<{ k0: number; k1: number }>;

export function randomHashKey(): HashKey {
  const [k0 = 0, k1 = 0] = getRandomValues(new Uint32Array(2));
  return { k0, k1 };
}

/**
 * Hashes bytes[from, to) into out[at] and out[at + 1]: the 8 bytes of the published algorithm, read as little endian.
 */
export function keyedHash(
  key: HashKey,
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint32Array,
  at: number,
): void {
  let v0 = key.k0 | 0;
  let v1 = (key.k1 ^ 0xee) | 0;
  let v2 = (key.k0 ^ 0x6c79_6765) | 0;
  let v3 = (key.k1 ^ 0x7465_6462) | 0;
  const length = to - from;
  const words = length >>> 2;
  let next = from;
  // One step per input word, and one for the remaining bytes and the length. Then two steps of four rounds; each of
  // these two yields one output word.
  for (let step = 0; step <= words + 2; step++) {
    let word = 0;
    let rounds = 2;
    if (step < words) {
      word =
        (bytes[next] as number) |
        ((bytes[next + 1] as number) << 8) |
        ((bytes[next + 2] as number) << 16) |
        ((bytes[next + 3] as number) << 24);
      next += 4;
    } else if (step === words) {
      word = length << 24;
      for (let shift = 0; next < to; shift += 8) word |= (bytes[next++] as number) << shift;
    } else {
      rounds = 4;
      if (step === words + 1) {
        v2 ^= 0xee;
      } else {
        out[at] = v1 ^ v3;
        v1 ^= 0xdd;
      }
    }
    v3 ^= word;
    for (; rounds > 0; rounds--) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= word;
  }
  out[at + 1] = v1 ^ v3;
}
