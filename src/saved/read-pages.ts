// Reads the pages of a saved file, record by record, with the scanner and the readers of the live walk. A page is one
// answer, or one bare list.
import { BODY_LIMITS } from '../cloudflare/body-limits.ts';
import type { OpenReader, RecordReader } from '../cloudflare/endpoints/summary/record-reader.ts';
import {
  createSummaryScanner,
  NOT_A_SUMMARY,
  type SummaryScanner,
} from '../cloudflare/endpoints/summary/scan-summary.ts';
import { ExchangeError } from '../cloudflare/failures.ts';
import { parseJson, readErrors, readSummary, type ResultInfo } from '../cloudflare/responses.ts';
import { isOperatorError } from '../errors.ts';
import { SplitError, type DocumentKind } from './document-kind.ts';
import { openContent } from './open-content.ts';
import { notSummary, type SavedFile } from './saved-file.ts';
import { createSplitter, type SplitEvent } from './split-documents.ts';

export type SavedPage<T> = {
  content: T;
  /** Records on the page. */
  count: number;
  /** What the answer stated. Empty for a bare list. */
  info: ResultInfo;
};

export type ReadOptions<T> = {
  openReader: OpenReader<T>;
  signal: AbortSignal;
  onBytes?: (bytes: number) => void;
  /** Called when the whole file was read. */
  onDigest: (digest: string) => void;
};

/** Throws IMPORT_UNREADABLE, IMPORT_NOT_SUMMARY, signal.reason, or what the reader threw. */
export async function* readSavedPages<T>(
  file: SavedFile,
  options: ReadOptions<T>,
): AsyncGenerator<SavedPage<T>> {
  const { openReader, signal, onBytes, onDigest } = options;
  const { pieces, digest } = openContent(file, signal, onBytes);
  const splitter = createSplitter();
  let page: PageReader<T> | null = null;
  async function* take(events: Iterable<SplitEvent>): AsyncGenerator<SavedPage<T>> {
    for (const event of events) {
      if (event.at === 'begin') page = openPage(event.kind, await openReader());
      else if (event.at === 'bytes') page!.push(event.bytes);
      else yield page!.end();
    }
  }
  try {
    for await (const piece of pieces) yield* take(splitter.push(piece));
    yield* take(splitter.end());
  } catch (error) {
    throw explain(file, error);
  }
  onDigest(digest());
}

type PageReader<T> = { push(bytes: Uint8Array): void; end(): SavedPage<T> };

// The scanner knows answers with their envelope, so other content gets one.
const WRAPPERS: Readonly<Record<DocumentKind, readonly [before: string, after: string]>> = {
  envelope: ['', ''],
  result: ['{"success":true,"result":', '}'],
  list: ['{"success":true,"result":{"users":', '}}'],
  records: ['{"success":true,"result":{"users":[', ']}}'],
};

function openPage<T>(kind: DocumentKind, reader: RecordReader<T>): PageReader<T> {
  let count = 0;
  // Without an envelope, only the records show which endpoint the answer is from.
  let isKnown = kind === 'envelope';
  const scanner: SummaryScanner = createSummaryScanner(BODY_LIMITS, (record) => {
    count++;
    isKnown ||= isOfSummary(record);
    reader.add(record);
  });
  const [before, after] = WRAPPERS[kind];
  scanner.push(Buffer.from(before));
  return {
    push: (bytes) => scanner.push(bytes),
    end() {
      scanner.push(Buffer.from(after));
      const info = judge(parseJson(scanner.end()));
      if (!isKnown && count > 0) throw new WrongAnswer(WHY.other);
      return { content: reader.end(), count, info };
    },
  };
}

function isOfSummary(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'user_id' in record;
}

/** The answer can be read, but does not list users. */
class WrongAnswer extends Error {}

function judge(json: unknown): ResultInfo {
  if (json === undefined) throw new SplitError('text');
  const errors = readErrors(json);
  if (errors !== null && (errors.length > 0 || isFailure(json))) {
    const codes = errors.flatMap(({ code }) => (code === null ? [] : [code]));
    throw new WrongAnswer(
      `holds an error of Cloudflare${codes.length > 0 ? ` (${codes.join(', ')})` : ''}, and no users`,
    );
  }
  // A script may have kept only result and result_info.
  const summary = readSummary({ ...(json as object), success: true });
  const { result } = json as { result?: unknown };
  const users = (result as { users?: unknown } | null | undefined)?.users;
  if (summary === null || (!Array.isArray(users) && summary.info.total_count !== 0))
    throw new WrongAnswer(WHY.other);
  return summary.info;
}

function isFailure(json: unknown): boolean {
  return (json as { success?: unknown }).success === false;
}

const WHY: Readonly<Record<SplitError['why'], string>> = {
  empty: 'is empty',
  cut: 'ends in the middle of an answer',
  text: 'holds text that is no answer in JSON and UTF-8',
  html: 'holds a web page, not JSON: often the page of a login or of a proxy',
  other: 'holds JSON that is no answer of the risk summary',
};
const LEAVE_OUT =
  'Leave it out, and start the import again. The pages that were saved with it still count: without this one, their snapshot is partial';

function explain(file: SavedFile, error: unknown): unknown {
  if (isOperatorError(error)) return error;
  if (error instanceof SplitError) return notSummary(file, WHY[error.why], LEAVE_OUT);
  if (error instanceof WrongAnswer) return notSummary(file, error.message, LEAVE_OUT);
  if (error instanceof ExchangeError)
    return notSummary(file, error.code === NOT_A_SUMMARY ? WHY.text : WHY.other, LEAVE_OUT);
  return error;
}
