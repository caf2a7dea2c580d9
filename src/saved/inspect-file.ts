// Reads a saved file to its end and notes what a plan must know about it: its digest, and what its pages state.
import type { RecordReader } from '../cloudflare/endpoints/summary/record-reader.ts';
import { readSavedPages } from './read-pages.ts';
import type { SavedFile } from './saved-file.ts';

export type PageFacts = {
  /** What the answer states; null if it does not. */
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
};

/** Throws what `readSavedPages` throws. */
export async function inspectFile(file: SavedFile, signal: AbortSignal): Promise<FileFacts> {
  const pages: PageFacts[] = [];
  let digest = '';
  const onDigest = (found: string) => (digest = found);
  for await (const { count, info } of readSavedPages(file, { openReader: () => DROP, signal, onDigest }))
    pages.push({
      number: info.page ?? null,
      total: info.total_count ?? null,
      perPage: info.per_page ?? null,
      records: count,
    });
  return { file, digest, pages };
}

const DROP: RecordReader<null> = { add: () => undefined, end: () => null };
