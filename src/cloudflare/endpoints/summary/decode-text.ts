// Turns bytes into text. A byte that is not UTF-8 must not silently become U+FFFD. It is marked: the text that holds it
// is refused, and people can still see which byte it was.
import { isUtf8 } from 'node:buffer';

const REPLACEMENT = '\uFFFD';

/**
 * U+FFFD and a lone surrogate that holds the byte (0xE9 becomes U+DCE9). No valid text decodes to this. The U+FFFD
 * keeps the surrogate from forming a pair with an escaped surrogate before it.
 */
export const NOT_UTF8 = /\uFFFD[\uDC80-\uDCFF]/;

/** Whether this text lost bytes when it was decoded from them. Cheap for nearly all texts. */
export function hasLostBytes(text: string, bytes: Uint8Array): boolean {
  return text.includes(REPLACEMENT) && !isUtf8(bytes);
}

/** Marks the bytes that are not UTF-8. Keeps a byte order mark. */
export function decodeMarked(bytes: Buffer): string {
  const text = bytes.toString();
  if (!hasLostBytes(text, bytes)) return text;
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < bytes.length;) {
    const size = sequenceLength(bytes[at] as number);
    if (size === 1 || isUtf8(bytes.subarray(at, at + size))) {
      at += size;
      continue;
    }
    parts.push(
      bytes.toString('utf8', from, at),
      REPLACEMENT,
      String.fromCharCode(0xdc00 + (bytes[at] as number)),
    );
    from = ++at;
  }
  return parts.join('') + bytes.toString('utf8', from);
}

/** Decides by the first byte. A byte that begins no sequence counts as the first of two, which are then not UTF-8. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
