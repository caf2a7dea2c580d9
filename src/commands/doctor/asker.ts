// How `doctor` asks Cloudflare: through the same client as every run, but with short waits. It also notes what every
// answer states besides its page: the time, and how many requests are left.
import type { CloudflareClient } from '../../cloudflare/client.ts';
import { parseBudgets, type Budget } from '../../cloudflare/pace/budget.ts';
import type { Timing } from '../../cloudflare/retry.ts';
import type { CountUse } from '../../cloudflare/usage.ts';
import type { Config } from '../../config.ts';
import { openClient, type Io } from '../../context.ts';
import { isOperatorError, OperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';

export type Reply<T> = { value: T; ms: number } | { error: OperatorError };

export type Asker = {
  /**
   * Every question has a deadline, which includes the wait for a turn. Rejects only if the command is interrupted, or
   * for a defect.
   */
  ask<T>(question: (client: CloudflareClient, common: Common) => Promise<T>): Promise<Reply<T>>;
  /** How far the API's clock is ahead of this host's, in ms, to the second. Null before the first answer. */
  clockMs(): number | null;
  /** From the newest answer that stated any. Null before the first such answer. */
  budgets(): Budget[] | null;
  close(): Promise<void>;
};

type Common = { signal: AbortSignal; countUse: CountUse };

const DEADLINE_MS = 45_000;
// Short, because a person is waiting, and a missing answer is a finding.
const TIMING: Partial<Timing> = {
  headersMs: 30_000,
  pageMs: 40_000,
  backoffBaseMs: 500,
  backoffCapMs: 2_000,
  maxAttempts: 3,
  maxTimeouts: 1,
  maxBadAnswers: 2,
  maxThrottles: 1,
};

export function createAsker(io: Pick<Io, 'signal'>, config: Config, logger: Logger): Asker {
  let clockMs: number | null = null;
  let budgets: Budget[] | null = null;
  const client = openClient(config, logger, {
    timing: TIMING,
    // The whole limit may be used: only a few questions, and a person is waiting.
    rateShare: 1,
    onAnswer({ header }) {
      // The header has whole seconds: on average, half a second has already passed.
      const date = Date.parse(header('date') ?? '');
      if (!Number.isNaN(date)) clockMs = date + 500 - Date.now();
      const stated = parseBudgets(header('ratelimit'), header('ratelimit-policy'));
      if (stated.length > 0 || budgets === null) budgets = stated;
    },
  });
  return {
    async ask(question) {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(noAnswer()), DEADLINE_MS);
      const began = performance.now();
      try {
        const value = await question(client, {
          signal: AbortSignal.any([io.signal, deadline.signal]),
          countUse: () => undefined,
        });
        return { value, ms: performance.now() - began };
      } catch (error) {
        if (io.signal.aborted || !isOperatorError(error)) throw error;
        return { error };
      } finally {
        clearTimeout(timer);
      }
    },
    clockMs: () => clockMs,
    budgets: () => budgets,
    close: () => client.close(),
  };
}

function noAnswer(): OperatorError {
  return new OperatorError({
    code: 'CLOUDFLARE_UNAVAILABLE',
    happened: `No answer within ${DEADLINE_MS / 1000} seconds, or the rate limit left no turn to ask`,
    means: 'The question has no answer',
    todo: 'Try again later; https://www.cloudflarestatus.com shows known incidents',
  });
}
