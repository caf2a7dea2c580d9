// Encodes the fields of a user's identity as a binary COPY carries text columns: a length of four bytes (-1 for null),
// then UTF-8, one field after the other. The same bytes arrive from the database, are hashed, kept, and sent back. The
// lengths distinguish null from '', and 'a' + 'bc' from 'ab' + 'c'.
import { TEXT_MAX_LENGTH } from '../../cloudflare/endpoints/summary/check-record.ts';
import type { CopiedRow } from '../../db/read-copy.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import { IDENTITY_FIELDS, type Identity, type IdentityField } from '../../user-risk.ts';

/** UTF-8 of each field. */
export type IdentityBytes = Record<IdentityField, Buffer | null>;

/** At most four bytes of UTF-8 for each character. */
export const IDENTITY_MAX_BYTES = IDENTITY_FIELDS.reduce(
  (bytes, field) => bytes + 4 + 4 * TEXT_MAX_LENGTH[field],
  0,
);

/** Writes the fields at `at`, and returns the offset of their end. `into` has room for IDENTITY_MAX_BYTES. */
export function encodeIdentity(identity: Identity, into: Buffer, at: number): number {
  let end = at;
  for (const field of IDENTITY_FIELDS) end = encodeText(identity[field], into, end);
  return end;
}

function encodeText(text: string | null, into: Buffer, at: number): number {
  if (text === null) return into.writeInt32BE(-1, at);
  const length = into.write(text, at + 4, 'utf8');
  into.writeInt32BE(length, at);
  return at + 4 + length;
}

/**
 * Hashes the identity in a row that begins with the user's key, as the walk hashes what the API serves. The row holds
 * the same bytes, from the length of the first field on.
 */
export function hashIdentityRow(key: HashKey, { bytes, start, end }: CopiedRow, into: Uint32Array): void {
  keyedHash(key, bytes, (start[1] as number) - 4, end, into, 0);
}

/** The offset at which the fields that begin at `at` end. */
export function endOfIdentity(bytes: Buffer, at: number): number {
  let end = at;
  for (let field = 0; field < IDENTITY_FIELDS.length; field++) end += 4 + Math.max(0, bytes.readInt32BE(end));
  return end;
}

/** Reads the fields at `at` into `into`, without a copy, and returns the offset of their end. */
export function decodeIdentity(bytes: Buffer, at: number, into: IdentityBytes): number {
  let end = at;
  for (const field of IDENTITY_FIELDS) {
    const length = bytes.readInt32BE(end);
    end += 4;
    into[field] = length < 0 ? null : bytes.subarray(end, end + length);
    end += Math.max(0, length);
  }
  return end;
}
