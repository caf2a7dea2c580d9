// A buffer that grows, for a body whose size is not known before its end.

export type GrowingBytes = {
  length(): number;
  append(from: Uint8Array, start: number, end: number): void;
  /** Valid until the next append. */
  slice(start: number): Buffer;
  clear(): void;
};

/**
 * Bytes are copied into one buffer. A body may arrive in pieces of one byte, and an object for each piece would cost a
 * hundred bytes.
 */
export function createBytes(size: number): GrowingBytes {
  let bytes = Buffer.allocUnsafeSlow(size);
  let length = 0;
  return {
    length: () => length,
    append(from: Uint8Array, start: number, end: number): void {
      const needed = length + end - start;
      if (needed > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2));
        bytes.copy(larger, 0, 0, length);
        bytes = larger;
      }
      bytes.set(from.subarray(start, end), length);
      length = needed;
    },
    slice: (start: number) => bytes.subarray(start, length),
    clear(): void {
      length = 0;
    },
  };
}
