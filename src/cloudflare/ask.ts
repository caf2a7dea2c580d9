// Waits for its turn, asks, and asks again while that may help: with renewed credentials at once, after a failure later.
import type { Logger } from '../logger.ts';
import { attempt, type AttemptDeps, type Question } from './attempt.ts';
import { headersOf, type CredentialsInUse } from './credentials-in-use.ts';
import type { Intake } from './endpoints/summary/summary-intake.ts';
import { ExchangeError, type AttemptFailure } from './failures.ts';
import type { Pacer } from './pacing.ts';
import { areCredentialsRefused } from './problems/meanings.ts';
import { retryWhole, type Sleep } from './retry.ts';

export type AskDeps = AttemptDeps & {
  pacer: Pick<Pacer, 'turn' | 'pause' | 'observe'>;
  credentials: CredentialsInUse;
  sleep: Sleep;
  logger: Pick<Logger, 'debug' | 'warn'>;
};

/** `beginIntake` is called for each attempt. Throws an OperatorError, signal.reason, or what the reader threw. */
export function ask<T>(deps: AskDeps, question: Question, beginIntake: () => Intake<T>): Promise<T> {
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

/** Once, and at once again for as long as the credentials' file holds others than those that were refused. */
async function askOnce<T>(deps: AskDeps, question: Question, beginIntake: () => Intake<T>): Promise<T> {
  const { pacer, credentials, logger } = deps;
  const { accountId, page, signal, countUse } = question;
  for (;;) {
    const waited = await pacer.turn(signal);
    if (waited > 0)
      logger.debug({ account_id: accountId, page, waited_ms: Math.round(waited) }, 'request paced');
    const used = credentials.current();
    try {
      return await attempt(deps, question, headersOf(used), beginIntake());
    } catch (error) {
      if (!areCredentialsRefused(error) || !credentials.renew(used)) throw error;
      countUse('retries', 1);
      logger.warn(
        { account_id: accountId, page },
        'credentials were refused, and their file holds others: asking again with those',
      );
    }
  }
}

function warnOfRetry(
  logger: AskDeps['logger'],
  { accountId, page }: Question,
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
    kind === 'throttled' ? 'throttled by Cloudflare, waiting' : 'page failed, asking again',
  );
}
