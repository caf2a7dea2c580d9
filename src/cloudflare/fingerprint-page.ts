// Tells whether a page has come before: whom it speaks of, and what it says of them. Pure.
import { createHash } from 'node:crypto';
import { RECORD_FIELDS } from './record.ts';

/**
 * `content` covers the fields that we know. Neither depends on the order, which may be another one every time where rows tie;
 * several records of one user keep theirs, because the last one wins.
 */
export function fingerprintPage(records: readonly unknown[]): { users: string; content: string } {
  const sorted = records
    .map((record) => ({ id: idOf(record), record }))
    .toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const ids = sorted.map(({ id }) => id);
  const known = JSON.stringify(
    sorted.map(({ record }) => record),
    [...RECORD_FIELDS],
  );
  return { users: fingerprint(JSON.stringify(ids)), content: fingerprint(known) };
}

function idOf(record: unknown): string {
  const id =
    typeof record === 'object' && record !== null ? (record as { user_id?: unknown }).user_id : undefined;
  return typeof id === 'string' ? id.toLowerCase() : JSON.stringify(record ?? null);
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
