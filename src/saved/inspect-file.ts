// Reads a saved file to its end and notes what a plan must know about it: its digest, and what its pages state.
import type { RecordReader } from '../cloudflare/endpoints/summary/record-reader.ts';
import { readSavedPages } from './read-pages.ts';
import type { SavedFile } from './saved-file.ts';

export type PageFacts = {
  /** What the answer states. Null if it states nothing. */
  number: number | null;
  total: number | null;
  perPage: number | null;
  records: number;
};

export type FileFacts = {
  file: SavedFile;
  /** SHA-256 of the content, in hexadecimal. */
  digest: string;
  pages: readonly PageFacts[];
  /** The newest event of all its records, in ms since 1970. Null if none can be read. */
  newestEvent: number | null;
};

/** Throws what `readSavedPages` throws. */
export async function inspectFile(file: SavedFile, signal: AbortSignal): Promise<FileFacts> {
  const pages: PageFacts[] = [];
  const events = createNewest();
  let digest = '';
  const onDigest = (found: string) => (digest = found);
  for await (const { count, info } of readSavedPages(file, { openReader: () => events, signal, onDigest }))
    pages.push({
      number: info.page ?? null,
      total: info.total_count ?? null,
      perPage: info.per_page ?? null,
      records: count,
    });
  return { file, digest, pages, newestEvent: events.end() };
}

/** Looks at every record for the newest event, over all pages. */
function createNewest(): RecordReader<number | null> {
  let newest: number | null = null;
  return {
    add(record) {
      const event = (record as { last_event?: unknown } | null)?.last_event;
      const ms = typeof event === 'string' ? Date.parse(event) : NaN;
      if (ms > (newest ?? -Infinity)) newest = ms;
    },
    end: () => newest,
  };
}
