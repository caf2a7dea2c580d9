// Whole numbers in a few bits each, as Parquet stores levels, booleans and numbers of values.
import { writeVarint } from './thrift.ts';

/** Bits that hold every number up to `highest`. */
export function bitWidthOf(highest: number): number {
  return 32 - Math.clz32(highest);
}

/** "RLE/bit-packing hybrid": eight equal numbers or more become a run, and the others groups of eight. */
export function packRuns(values: Int32Array, count: number, width: number): Buffer {
  const out = Buffer.alloc(Math.ceil(count / 8) * (width + 8) + 16);
  let at = 0;
  let waiting = 0;
  const header = (value: number) => {
    const bytes: number[] = [];
    writeVarint(bytes, value);
    for (const byte of bytes) out[at++] = byte;
  };
  const writeWaiting = (end: number) => {
    if (waiting === end) return;
    const groups = Math.ceil((end - waiting) / 8);
    header(2 * groups + 1);
    packBits(values, waiting, end, width, out, at);
    at += groups * width;
  };
  for (let n = 0; n < count;) {
    let end = n + 1;
    while (end < count && values[end] === values[n]) end++;
    if (end - n < 8) {
      // Groups are whole: a run may begin at the next multiple of eight.
      n = Math.min(count, n + 8);
      continue;
    }
    writeWaiting(n);
    header(2 * (end - n));
    for (let shift = 0; shift < width; shift += 8) out[at++] = (values[n]! >>> shift) & 255;
    waiting = n = end;
  }
  writeWaiting(count);
  return out.subarray(0, at);
}

/** `count` times the same number of one bit. */
export function oneRun(value: 0 | 1, count: number): Uint8Array {
  const bytes: number[] = [];
  writeVarint(bytes, 2 * count);
  return Uint8Array.of(...bytes, value);
}

/** The lowest bits first, without any header. */
export function packBits(
  values: Int32Array,
  from: number,
  to: number,
  width: number,
  out: Buffer,
  start: number,
): void {
  let at = start;
  let pending = 0;
  let bits = 0;
  for (let n = from; n < to; n++) {
    pending |= values[n]! << bits;
    for (bits += width; bits >= 8; bits -= 8) {
      out[at++] = pending & 255;
      pending >>>= 8;
    }
  }
  if (bits > 0) out[at] = pending;
}
