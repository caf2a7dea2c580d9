// One GET: headers and a bounded body under a deadline. Knows nothing of the API, retries nothing, follows nothing.
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { EXIT, OperatorError } from '../errors.ts';
import { ExchangeError } from './failures.ts';
import type { Timing } from './retry.ts';

/** A million users in one answer would fit several times; more is not a page. */
export const BODY_MAX_BYTES = 64 * 1024 * 1024;
// Of an answer that is no page, only the errors or the first words matter.
const ERROR_BODY_MAX_BYTES = 64 * 1024;

export type Answer = {
  status: number;
  header(name: string): string | null;
  /** Decoded as UTF-8; empty when the body was encoded (compressed), which was not asked for. */
  text: string;
};

export type Proxy = { httpProxy?: string; httpsProxy?: string; noProxy?: string };

/** One dispatcher per client. The proxy comes from here alone: undici would read the process's environment for what is left out. */
export function createDispatcher(baseUrl: URL, proxy: Proxy | undefined, timing: Timing): Dispatcher {
  const options = {
    connectTimeout: timing.connectMs,
    headersTimeout: timing.headersMs,
    bodyTimeout: timing.bodyMs,
    // Some four requests at a time need no multiplexing, and a cut body is told apart more surely in HTTP/1.1.
    allowH2: false,
  };
  const isHttps = baseUrl.protocol === 'https:';
  const uri = isHttps ? proxy?.httpsProxy : proxy?.httpProxy;
  if (uri === undefined || uri === '') return new Agent(options);
  if (!URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) {
    throw new OperatorError({
      code: 'PROXY_UNUSABLE',
      exit: EXIT.configuration,
      happened: `${isHttps ? 'HTTPS_PROXY' : 'HTTP_PROXY'} is not the address of a proxy`,
      means: 'Nothing was asked of Cloudflare',
      todo: 'Write it like http://proxy.example.net:3128, or unset it',
    });
  }
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: isHttps ? '' : uri,
    httpsProxy: isHttps ? uri : '',
    noProxy: proxy?.noProxy ?? '',
  });
}

/**
 * Rejects with signal.reason when aborted, else with an ExchangeError (network, timeouts, a cut or endless body).
 * `onBytes` hears of every piece of body, of failed answers, too.
 */
export async function exchange(options: {
  dispatcher: Dispatcher;
  origin: string;
  path: string;
  headers: Record<string, string>;
  signal: AbortSignal;
  pageMs: number;
  onBytes: (bytes: number) => void;
}): Promise<Answer> {
  const { dispatcher, origin, path, headers, signal } = options;
  signal.throwIfAborted();
  // Not AbortSignal.any and .timeout: a run's signal outlives millions of requests, and nothing may gather on it.
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  const deadline = setTimeout(() => stop.abort(new ExchangeError('PAGE_DEADLINE')), options.pageMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const {
      statusCode,
      headers: received,
      body,
    } = await dispatcher.request({
      origin,
      path,
      method: 'GET',
      headers,
      signal: stop.signal,
    });
    const header = (name: string) => {
      const value = received[name];
      return Array.isArray(value) ? value.join(', ') : (value ?? null);
    };
    const encoding = header('content-encoding')?.trim().toLowerCase() ?? '';
    const length = Number(header('content-length') ?? 0);
    if (statusCode === 200 && length > BODY_MAX_BYTES)
      throw discard(body, new ExchangeError('BODY_TOO_LARGE'));
    if (encoding !== '' && encoding !== 'identity') {
      discard(body);
      return { status: statusCode, header, text: '' };
    }
    return { status: statusCode, header, text: await readText(body, statusCode === 200, options.onBytes) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (stop.signal.aborted) throw stop.signal.reason;
    throw ExchangeError.from(error);
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', onAbort);
  }
}

async function readText(
  body: Dispatcher.ResponseData['body'],
  isPage: boolean,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    onBytes(chunk.byteLength);
    if (isPage && bytes > BODY_MAX_BYTES) throw new ExchangeError('BODY_TOO_LARGE');
    text += decoder.decode(chunk, { stream: true });
    if (!isPage && bytes > ERROR_BODY_MAX_BYTES) break;
  }
  return text + decoder.decode();
}

/** Closes the connection under a body that nobody reads; without a listener the abort would surface as uncaught. */
function discard<T>(body: Dispatcher.ResponseData['body'], then?: T): T {
  body.on('error', () => {});
  body.destroy();
  return then as T;
}
