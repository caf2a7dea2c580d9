// A dead man's switch: each success pings an external monitor, which raises an alarm when pings stop. A failed ping is
// a warning, never a failed run.
import { ConstantBackoff, handleAll, retry } from 'cockatiel';
import type { Dispatcher } from 'undici';
import { errorFields, type Logger } from '../logger.ts';

export type SuccessPing = {
  /** Never rejects. */
  send(accountId: string): Promise<'ok' | 'failed'>;
  close(): Promise<void>;
};

const ATTEMPT_MS = 10_000;
const RETRIES = 2;

/** `url` may hold `{account_id}`. The URL is a secret: it is neither logged nor quoted. */
export function createSuccessPing(options: {
  url: string;
  dispatcher: Dispatcher;
  logger: Pick<Logger, 'warn'>;
  pauseMs?: number;
}): SuccessPing {
  const closing = new AbortController();
  const again = retry(handleAll, {
    maxAttempts: RETRIES,
    backoff: new ConstantBackoff(options.pauseMs ?? 2_000),
  });

  async function attempt(url: string): Promise<void> {
    const { origin, pathname, search } = new URL(url);
    const { statusCode, body } = await options.dispatcher.request({
      origin,
      path: pathname + search,
      method: 'GET',
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(ATTEMPT_MS)]),
    });
    await body.dump();
    if (statusCode < 200 || statusCode > 299) throw new Error(`answered ${statusCode}`);
  }

  return {
    async send(accountId) {
      const url = options.url.replaceAll(/\{account_id\}|%7Baccount_id%7D/gi, encodeURIComponent(accountId));
      try {
        await again.execute(() => attempt(url), closing.signal);
        return 'ok';
      } catch (error) {
        options.logger.warn({ account_id: accountId, ...errorFields(error) }, 'PING_URL could not be pinged');
        return 'failed';
      }
    },
    async close() {
      closing.abort();
      await options.dispatcher.destroy();
    },
  };
}
