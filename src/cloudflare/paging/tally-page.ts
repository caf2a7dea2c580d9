// What a pass must know about a page besides its content, noted while the records are read. Keeps no record.
import { createUsersFingerprint } from './fingerprint-page.ts';
import { RECORD_FIELDS } from '../endpoints/summary/record.ts';
import { DeepRecord, type RecordReader } from '../endpoints/summary/record-reader.ts';

export type PageTally<T> = {
  /** The result of the reader. */
  content: T;
  /** Number of records, unreadable ones included. */
  count: number;
  /** Fingerprint of the users of the page: the same for the same users in any order, whatever else the page says. */
  users: string;
  /** Names of record fields that this version does not know; sorted, distinct. */
  unknownFields: string[];
};

/** More names say nothing new: by then, the API is a different one. */
const UNKNOWN_FIELDS_MAX = 50;

export function tallyPage<T>(reader: RecordReader<T>): RecordReader<PageTally<T>> {
  const fingerprint = createUsersFingerprint();
  const names = new Set<string>();
  let count = 0;
  return {
    add(record) {
      const served = record instanceof DeepRecord ? record.rest : record;
      count++;
      fingerprint.add(served);
      if (names.size < UNKNOWN_FIELDS_MAX) noteUnknownFields(served, names);
      reader.add(record);
    },
    end: () => ({
      content: reader.end(),
      count,
      users: fingerprint.end(),
      unknownFields: [...names].toSorted(),
    }),
  };
}

function noteUnknownFields(record: unknown, names: Set<string>): void {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return;
  for (const name in record) {
    if (RECORD_FIELDS.has(name)) continue;
    // Names go to the log, so a name that does not look like a field is not quoted.
    names.add(/^\w{1,64}$/.test(name) ? name : '(unprintable)');
    if (names.size >= UNKNOWN_FIELDS_MAX) return;
  }
}
