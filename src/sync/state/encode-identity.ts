// Email and name as the bytes that a binary COPY carries for two text columns: a length of four bytes (-1 for null),
// then UTF-8. The same bytes come from the database, are hashed, kept, and sent back. The lengths tell null from '',
// and 'a' + 'bc' from 'ab' + 'c'.
import { EMAIL_MAX_LENGTH, NAME_MAX_LENGTH } from '../../cloudflare/endpoints/summary/check-record.ts';

/** At most four bytes of UTF-8 for each character. */
export const IDENTITY_MAX_BYTES = 8 + 4 * (EMAIL_MAX_LENGTH + NAME_MAX_LENGTH);

/** Writes both at `at`, and returns where they end. `into` has room for IDENTITY_MAX_BYTES. */
export function encodeIdentity(email: string | null, name: string | null, into: Buffer, at: number): number {
  return encodeText(name, into, encodeText(email, into, at));
}

function encodeText(text: string | null, into: Buffer, at: number): number {
  if (text === null) return into.writeInt32BE(-1, at);
  const length = into.write(text, at + 4, 'utf8');
  into.writeInt32BE(length, at);
  return at + 4 + length;
}

/** The encoded field that begins at `at`; null for null. */
export function decodeText(bytes: Buffer, at: number): Buffer | null {
  const length = bytes.readInt32BE(at);
  return length < 0 ? null : bytes.subarray(at + 4, at + 4 + length);
}

/** Where the field at `at` ends. */
export function endOfText(bytes: Buffer, at: number): number {
  return at + 4 + Math.max(0, bytes.readInt32BE(at));
}
