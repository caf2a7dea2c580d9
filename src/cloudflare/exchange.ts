// One GET: headers and a bounded body, under a deadline. The body is held, or its records are handed on as they arrive.
// Does not judge, retry or follow redirects.
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { OperatorError } from '../errors.ts';
import type { BodyLimits } from './body-limits.ts';
import { hasLostBytes } from './endpoints/summary/decode-text.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import { createBytes } from './growing-bytes.ts';
import { nestsDeeper } from './responses.ts';
import { ExchangeError } from './failures.ts';
import type { Timing } from './retry.ts';
import { createSummaryScanner, NOT_A_SUMMARY } from './endpoints/summary/scan-summary.ts';

export type Answer = {
  status: number;
  header(name: string): string | null;
  /** Decoded as UTF-8. Empty if the body was compressed, because compression was not asked for. */
  text: string;
  /**
   * streamed: the users were handed on, and `text` lacks them. broken: the body is not a summary, not UTF-8, or nests
   * too deeply, and `text` is its beginning.
   */
  body: 'held' | 'streamed' | 'broken';
};

type Body = Pick<Answer, 'text' | 'body'>;
type Pieces = Dispatcher.ResponseData['body'];

/** How much of a broken body is kept: only its first words matter. */
const BEGINNING_BYTES = 20_000;

export type Proxy = { httpProxy?: string; httpsProxy?: string; noProxy?: string };

/** One dispatcher per client. All proxy options are set, because undici reads a missing one from the environment. */
export function createDispatcher(baseUrl: URL, proxy: Proxy | undefined, timing: Timing): Dispatcher {
  const options = {
    connectTimeout: timing.connectMs,
    headersTimeout: timing.headersMs,
    bodyTimeout: timing.bodyMs,
    // About four requests at a time need no multiplexing, and HTTP/1.1 shows a truncated body more reliably.
    allowH2: false,
  };
  const isHttps = baseUrl.protocol === 'https:';
  const uri = isHttps ? proxy?.httpsProxy : proxy?.httpProxy;
  if (uri === undefined || uri === '') return new Agent(options);
  if (!URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) {
    throw new OperatorError({
      code: 'PROXY_UNUSABLE',
      happened: `${isHttps ? 'HTTPS_PROXY' : 'HTTP_PROXY'} is not a proxy address`,
      means: 'No request was sent to Cloudflare',
      todo: 'Set it to an address such as http://proxy.example.net:3128, or unset it',
    });
  }
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: isHttps ? '' : uri,
    httpsProxy: isHttps ? uri : '',
    noProxy: proxy?.noProxy ?? '',
  });
}

export type ExchangeRequest = {
  dispatcher: Dispatcher;
  origin: string;
  path: string;
  headers: Record<string, string>;
  signal: AbortSignal;
  pageMs: number;
  limits: BodyLimits;
  /**
   * Called once for a body that is too large to hold. Returns the function that takes its records. The deadline is
   * paused until then.
   */
  openLarge: (() => Promise<(record: unknown) => void>) | null;
  onBytes: (bytes: number) => void;
};

/**
 * Rejects with signal.reason when aborted, with what the reader threw, or with an ExchangeError (network, timeouts, a
 * cut or endless body). `onBytes` is called for every piece of a body, failed answers included.
 */
export async function exchange(request: ExchangeRequest): Promise<Answer> {
  const { dispatcher, origin, path, headers, signal } = request;
  signal.throwIfAborted();
  // Not AbortSignal.any and .timeout: the signal of a run outlives millions of requests, and no listeners may
  // accumulate on it.
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  const deadline = createDeadline(request.pageMs, () => stop.abort(new ExchangeError('PAGE_DEADLINE')));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const sent = { origin, path, method: 'GET', headers, signal: stop.signal } as const;
    return await readAnswer(await dispatcher.request(sent), request, deadline);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (stop.signal.aborted) throw stop.signal.reason;
    if (error instanceof ReaderError) throw error.cause;
    throw ExchangeError.from(error);
  } finally {
    deadline.clear();
    signal.removeEventListener('abort', onAbort);
  }
}

async function readAnswer(
  { statusCode: status, headers, body }: Dispatcher.ResponseData,
  { limits, openLarge, onBytes }: ExchangeRequest,
  deadline: Deadline,
): Promise<Answer> {
  const header = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : (value ?? null);
  };
  const encoding = header('content-encoding')?.trim().toLowerCase() ?? '';
  const stated = Number(header('content-length') ?? 0);
  if (status === 200 && stated > (openLarge === null ? limits.otherBytes : limits.summaryBytes))
    throw discard(body, new ExchangeError('BODY_TOO_LARGE'));
  if (encoding !== '' && encoding !== 'identity') {
    discard(body);
    return { status, header, text: '', body: 'held' };
  }
  const pieces = metered(body, onBytes);
  const read =
    status === 200
      ? await readPage(pieces, { stated, limits, openLarge, deadline })
      : await readError(pieces, limits);
  return { status, header, ...read };
}

/** Wraps what the reader threw, so that it is not mistaken for an error of the exchange. */
class ReaderError extends Error {}

async function* metered(body: Pieces, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    onBytes(piece.byteLength);
    yield piece;
  }
}

async function readError(pieces: AsyncIterable<Uint8Array>, limits: BodyLimits): Promise<Body> {
  const held = createBytes(4096);
  for await (const piece of pieces) {
    held.append(piece, 0, piece.byteLength);
    if (held.length() > limits.errorBytes) break;
  }
  return { text: textOf(held.slice(0)), body: 'held' };
}

type PageOptions = {
  stated: number;
  limits: BodyLimits;
  openLarge: (() => Promise<(record: unknown) => void>) | null;
  deadline: Deadline;
};

async function readPage(pieces: AsyncIterable<Uint8Array>, options: PageOptions): Promise<Body> {
  const { stated, limits, openLarge, deadline } = options;
  const held = createBytes(4096);
  let bytes = 0;
  let large: ReturnType<typeof scanLarge> | null = null;
  for await (const piece of pieces) {
    bytes += piece.byteLength;
    if (bytes > (openLarge === null ? limits.otherBytes : limits.summaryBytes))
      throw new ExchangeError('BODY_TOO_LARGE');
    if (large !== null) {
      deadline.putOff((piece.byteLength / limits.bytesPerSecond) * 1000);
      if (!large.push(piece)) return large.end();
      continue;
    }
    held.append(piece, 0, piece.byteLength);
    if (openLarge === null || Math.max(bytes, stated) <= limits.heldBytes) continue;
    large = await startScan(limits, openLarge, deadline);
    if (!large.push(held.slice(0))) return large.end();
    held.clear();
  }
  if (large !== null) return large.end();
  const whole = held.slice(0);
  const text = textOf(whole);
  if (!hasLostBytes(text, whole) && !nestsDeeper(whole, limits.depth)) return { text, body: 'held' };
  if (openLarge === null) return { text, body: 'broken' };
  // The scanner finds records with bytes that are not UTF-8, or that nest too deeply.
  large = await startScan(limits, openLarge, deadline);
  large.push(whole);
  return large.end();
}

async function startScan(
  limits: BodyLimits,
  openLarge: () => Promise<(record: unknown) => void>,
  deadline: Deadline,
): Promise<ReturnType<typeof scanLarge>> {
  deadline.pause();
  const onRecord = await openLarge().catch((error: unknown) => {
    throw new ReaderError('reader', { cause: error });
  });
  deadline.resume();
  return scanLarge(limits, onRecord);
}

/** `push` returns whether the body may still be a summary. */
function scanLarge(limits: BodyLimits, onRecord: (record: unknown) => void) {
  const beginning = createBytes(4096);
  let isBroken = false;
  const scanner = createSummaryScanner(limits, (record) => {
    try {
      onRecord(record);
    } catch (error) {
      throw new ReaderError('reader', { cause: error });
    }
  });

  /** Undefined if the body is broken. */
  function unlessBroken<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ExchangeError) || error.code !== NOT_A_SUMMARY) throw error;
      isBroken = true;
      return undefined;
    }
  }

  return {
    push(piece: Uint8Array): boolean {
      beginning.append(piece, 0, Math.min(piece.length, BEGINNING_BYTES - beginning.length()));
      unlessBroken(() => scanner.push(piece));
      return !isBroken;
    },
    end(): Body {
      const text = isBroken ? undefined : unlessBroken(() => scanner.end());
      return text === undefined
        ? { text: textOf(beginning.slice(0)), body: 'broken' }
        : { text, body: 'streamed' };
    },
  };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Closes the connection of a body that is not read. Without a listener, the abort would be an uncaught error. */
function discard<T>(body: Pieces, then?: T): T {
  body.on('error', () => {});
  body.destroy();
  return then as T;
}
