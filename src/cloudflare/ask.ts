// Waits for its turn, sends the request, and repeats it while that may help: at once with renewed credentials, or after
// a pause if the request failed.
import type { Logger } from '../logger.ts';
import { attempt, type AttemptDeps, type ApiRequest } from './attempt.ts';
import { headersOf, type CredentialsInUse } from './credentials-in-use.ts';
import type { Intake } from './endpoints/summary/summary-intake.ts';
import { ExchangeError, type AttemptFailure } from './failures.ts';
import type { Pacer } from './pace/pacing.ts';
import { areCredentialsRefused } from './problems/meanings.ts';
import { retryWhole, type Sleep } from './retry.ts';

export type AskDeps = AttemptDeps & {
  pacer: Pick<Pacer, 'turn' | 'pause' | 'observe'>;
  credentials: CredentialsInUse;
  sleep: Sleep;
  logger: Pick<Logger, 'debug' | 'warn'>;
};

/** `beginIntake` is called for each attempt. Throws an OperatorError, signal.reason, or what the reader threw. */
export function ask<T>(deps: AskDeps, question: ApiRequest, beginIntake: () => Intake<T>): Promise<T> {
  const { pacer, timing, sleep } = deps;
  const { signal, countUse } = question;
  return retryWhole(() => askOnce(deps, question, beginIntake), {
    signal,
    timing,
    sleep,
    random: Math.random,
    pause: (ms) => pacer.pause(ms),
    onRetry(failure, waitMs) {
      countUse('retries', 1);
      warnOfRetry(deps.logger, question, failure, waitMs);
    },
  });
}

/**
 * One attempt. If the API refuses the credentials and their file now holds different ones, it asks again at once with
 * the new ones.
 */
async function askOnce<T>(deps: AskDeps, question: ApiRequest, beginIntake: () => Intake<T>): Promise<T> {
  const { pacer, credentials, logger } = deps;
  const { accountId, page, signal, countUse } = question;
  for (;;) {
    const waited = await pacer.turn(signal);
    if (waited >= 1)
      logger.debug({ account_id: accountId, page, waited_ms: Math.round(waited) }, 'request paced');
    const used = credentials.current();
    try {
      return await attempt(deps, question, headersOf(used), beginIntake());
    } catch (error) {
      if (!areCredentialsRefused(error) || !credentials.renew(used)) throw error;
      countUse('retries', 1);
      logger.warn(
        { account_id: accountId, page },
        'credentials were refused, asking again with the new ones from their file',
      );
    }
  }
}

function warnOfRetry(
  logger: AskDeps['logger'],
  { accountId, page }: ApiRequest,
  { kind, problem }: AttemptFailure,
  waitMs: number,
): void {
  const { cause } = problem;
  logger.warn(
    {
      account_id: accountId,
      page,
      error_code: problem.code,
      cause: cause instanceof ExchangeError ? cause.code : undefined,
      wait_ms: Math.round(waitMs),
    },
    kind === 'throttled' ? 'throttled by Cloudflare, waiting' : 'request failed, asking again',
  );
}
