// The API client: one page of the risk summary, asked politely and as often as it takes. One per process and credentials;
// it holds the only connection pool to Cloudflare, and one pace for all requests.
import { isDeepStrictEqual } from 'node:util';
import type { CloudflareAuth } from '../config.ts';
import type { Logger } from '../logger.ts';
import { VERSION } from '../version.ts';
import { createDispatcher, exchange, type Answer, type Proxy } from './exchange.ts';
import { BODY_LIMITS, type BodyLimits } from './body-limits.ts';
import { CLOUDFLARE_LIMIT, parseBudgets, tightestBudget, type RequestLimit } from './budget.ts';
import { readMember, readTokenState, type TokenState } from './endpoints/credentials.ts';
import { AttemptFailure, ExchangeError } from './failures.ts';
import { createPacer, type BudgetLeft } from './pacing.ts';
import { areCredentialsRefused, createJudge, isUserUnknown, type Subject } from './problems.ts';
import type { OpenReader } from './endpoints/summary/record-reader.ts';
import { parseJson, type ResultInfo } from './responses.ts';
import { createSummaryIntake, type Intake } from './endpoints/summary/summary-intake.ts';
import type { PageTally } from './tally-page.ts';
import { createTurns } from './turns.ts';
import { readUserRecord, type UserRecord } from './endpoints/user-record.ts';
import {
  DEFAULT_TIMING,
  defaultSleep,
  parseRetryAfter,
  retryWhole,
  type Sleep,
  type Timing,
} from './retry.ts';

export type SummaryPage<T> = PageTally<T> & {
  info: ResultInfo;
  /** Of this page's body. */
  bytes: number;
};

/** Counted up by the client as a run goes on; bytes are of bodies, failed answers included. */
export type ClientUsage = { requests: number; retries: number; bytes: number };

export type CloudflareClient = {
  /**
   * Waits for its turn, asks, and asks again while that may help. Rejects with signal.reason at once when aborted, else with an
   * OperatorError (`isPageSizeRefused` and `isPageTimeout` in problems.ts tell whether a smaller page is worth a try), or with
   * what the reader threw. `openReader` may keep the page waiting; a reader serves one attempt. Pages of an account that are
   * asked for side by side resolve in the order in which their bodies ended.
   */
  summaryPage<T>(request: {
    accountId: string;
    page: number;
    perPage: number;
    signal: AbortSignal;
    usage: ClientUsage;
    openReader: OpenReader<T>;
  }): Promise<SummaryPage<T>>;
  /**
   * The own record of one user; null when there is no such user (404). Waits and retries like a page. Throws LOOKUPS_REFUSED
   * when the API does not let itself be asked, BAD_ANSWER when what comes back is no record, or what a page would throw.
   */
  lookUpUser(request: {
    accountId: string;
    userId: string;
    signal: AbortSignal;
    usage: ClientUsage;
  }): Promise<UserRecord | null>;
  /**
   * What the API says of the token itself: asked as a user's own token, or as one that `accountId` owns. The two kinds are asked
   * about at different addresses, and the wrong one refuses a good token. Throws what a page would throw.
   */
  verifyToken(request: {
    accountId: string | null;
    signal: AbortSignal;
    usage: ClientUsage;
  }): Promise<TokenState>;
  /** Whether the member of an email and a key is suspended. Throws what a page would throw. */
  verifyKey(request: { signal: AbortSignal; usage: ClientUsage }): Promise<{ suspended: boolean }>;
  /**
   * How long that many further requests take at least, in ms, by what is known of the budgets now: 0 while plenty remains.
   * The time that answers take comes on top.
   */
  estimateMs(requests: number): number;
  /** What may still be asked; null when nothing is known and nothing counted. */
  budgetLeft(): BudgetLeft | null;
  /** Drops all connections; whatever is under way fails. */
  close(): Promise<void>;
};

/**
 * Throws PROXY_UNUSABLE when the proxy's address cannot be read. `now` and `sleep` are seams for tests, in ms. `rereadAuth` is asked
 * when the credentials are refused: what it returns, if it is something else, is used from then on.
 */
export function createCloudflareClient(options: {
  baseUrl: URL;
  auth: CloudflareAuth;
  rereadAuth?: () => CloudflareAuth | null;
  /** Requests that all users of these credentials may send together; null: none, where nothing is throttled or time is simulated. */
  limit?: RequestLimit | null;
  /** Seam for tests. */
  bodyLimits?: Partial<BodyLimits>;
  /** The part of the limit that is ours, above 0, 1 at most; the rest is left to the dashboard. */
  rateShare?: number;
  proxy?: Proxy;
  logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  timing?: Partial<Timing>;
  sleep?: Sleep;
  now?: () => number;
  /** Sees every answer, failed ones included, before it is judged. */
  onAnswer?: (answer: Pick<Answer, 'status' | 'header'>) => void;
  /** Told of every request to which no whole answer came. */
  onNoAnswer?: (why: 'timeout' | 'network') => void;
}): CloudflareClient {
  const { baseUrl, logger } = options;
  let { auth } = options;
  const timing: Timing = { ...DEFAULT_TIMING, ...options.timing };
  const limits: BodyLimits = { ...BODY_LIMITS, ...options.bodyLimits };
  const sleep = options.sleep ?? defaultSleep;
  const wallClock = options.now ?? Date.now;
  const dispatcher = createDispatcher(baseUrl, options.proxy, timing);
  const pacer = createPacer({
    sleep,
    now: options.now ?? (() => performance.now()),
    maxWaitMs: timing.maxWaitMs,
    limit: options.limit === undefined ? CLOUDFLARE_LIMIT : options.limit,
    share: options.rateShare ?? 0.8,
  });
  const secrets = new Set(secretsOf(auth));
  const judge = createJudge({
    host: baseUrl.host,
    authKind: auth.kind,
    secrets,
  });
  const prefix = baseUrl.pathname.replace(/\/*$/, '');
  const closed = new AbortController();
  const takeTurn = createTurns();

  function budgetsOf(answer: Answer) {
    return parseBudgets(answer.header('ratelimit'), answer.header('ratelimit-policy'));
  }

  function adviceOf(answer: Answer) {
    return {
      retryAfterMs: parseRetryAfter(answer.header('retry-after'), answer.header('date'), wallClock()),
      resetMs: tightestBudget(budgetsOf(answer))?.resetMs ?? null,
    };
  }

  /** One attempt. */
  async function readOnce<T>(
    { path, accountId, subject, signal, usage }: Question,
    headers: Record<string, string>,
    intake: Intake<T>,
  ): Promise<T> {
    let bytes = 0;
    usage.requests += 1;
    const answer = await exchange({
      dispatcher,
      origin: baseUrl.origin,
      path,
      headers,
      signal,
      pageMs: timing.pageMs,
      limits,
      openLarge: intake.openLarge,
      onBytes(count) {
        bytes += count;
        usage.bytes += count;
      },
    }).catch((error: unknown) => {
      if (!(error instanceof ExchangeError) || closed.signal.aborted) throw error;
      const failure = judge.ofExchange(error);
      options.onNoAnswer?.(failure.kind === 'timeout' ? 'timeout' : 'network');
      throw failure;
    });
    options.onAnswer?.(answer);
    pacer.observe(budgetsOf(answer));
    const json = answer.body === 'broken' ? undefined : parseJson(answer.text);
    const failure = judge.ofAnswer(answer, json, { accountId, subject });
    if (failure) throw new AttemptFailure(failure.kind, failure.problem, adviceOf(answer));
    const value = isJson(answer) ? await intake.read(json, bytes) : undefined;
    if (value === undefined) throw judge.ofBadAnswer(answer, subject);
    return value;
  }

  /** Whether there are others than those that were `refused`. They are known as secrets before they are used. */
  function renewAuth(refused: CloudflareAuth): boolean {
    const fresh = options.rereadAuth?.() ?? null;
    if (fresh === null || isDeepStrictEqual(fresh, refused)) return false;
    for (const secret of secretsOf(fresh)) secrets.add(secret);
    auth = fresh;
    return true;
  }

  /** Waits for its turn, asks, and asks again while that may help. */
  function ask<T>(question: Question, beginIntake: () => Intake<T>): Promise<T> {
    const { accountId, page, signal, usage } = question;
    const attempt = async () => {
      for (;;) {
        const waited = await pacer.turn(signal);
        if (waited > 0)
          logger.debug({ account_id: accountId, page, waited_ms: Math.round(waited) }, 'request paced');
        const used = auth;
        try {
          return await readOnce(question, headersOf(used), beginIntake());
        } catch (error) {
          if (!areCredentialsRefused(error) || !renewAuth(used)) throw error;
          usage.retries += 1;
          logger.warn(
            { account_id: accountId, page },
            'credentials were refused, and their file holds others: asking again with those',
          );
        }
      }
    };
    return retryWhole(attempt, {
      signal,
      timing,
      sleep,
      random: Math.random,
      pause: (ms) => pacer.pause(ms),
      onRetry(failure, waitMs) {
        usage.retries += 1;
        const cause = failure.problem.cause;
        logger.warn(
          {
            account_id: accountId,
            page,
            error_code: failure.problem.code,
            cause: cause instanceof ExchangeError ? cause.code : undefined,
            wait_ms: Math.round(waitMs),
          },
          failure.kind === 'throttled' ? 'throttled by Cloudflare, waiting' : 'page failed, asking again',
        );
      },
    });
  }

  const scoring = (accountId: string) =>
    `${prefix}/accounts/${encodeURIComponent(accountId)}/zt_risk_scoring`;

  return {
    summaryPage({ accountId, page, perPage, signal, usage, openReader }) {
      const path = `${scoring(accountId)}/summary?page=${page}&per_page=${perPage}`;
      return ask({ path, accountId, page, subject: 'summary', signal, usage }, () =>
        createSummaryIntake({ openReader, signal, takeTurn: () => takeTurn(accountId) }),
      );
    },
    async lookUpUser({ accountId, userId, signal, usage }) {
      const path = `${scoring(accountId)}/${encodeURIComponent(userId)}`;
      try {
        return await ask({ path, accountId, subject: 'user', signal, usage }, held(readUserRecord));
      } catch (error) {
        if (isUserUnknown(error)) return null;
        throw error;
      }
    },
    verifyToken({ accountId, signal, usage }) {
      const owner = accountId === null ? 'user' : `accounts/${encodeURIComponent(accountId)}`;
      return ask(
        {
          path: `${prefix}/${owner}/tokens/verify`,
          accountId: accountId ?? '',
          subject: 'credentials',
          signal,
          usage,
        },
        held(readTokenState),
      );
    },
    verifyKey({ signal, usage }) {
      return ask(
        { path: `${prefix}/user`, accountId: '', subject: 'credentials', signal, usage },
        held(readMember),
      );
    },
    estimateMs: (requests) => pacer.estimateMs(requests),
    budgetLeft: () => pacer.budgetLeft(),
    async close() {
      closed.abort();
      await dispatcher.destroy();
    },
  };
}

type Question = {
  path: string;
  accountId: string;
  /** For the log; a user's id is not written there. */
  page?: number;
  subject: Subject;
  signal: AbortSignal;
  usage: ClientUsage;
};

/** Of answers that are never large: null from `read` means that this is no such answer. */
function held<T>(read: (json: unknown) => T | null): () => Intake<T> {
  return () => ({ openLarge: null, read: (json) => read(json) ?? undefined });
}

function secretsOf(auth: CloudflareAuth): string[] {
  return auth.kind === 'token' ? [auth.token] : [auth.key, auth.email];
}

function headersOf(auth: CloudflareAuth): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': `zt-risk-sync/${VERSION}`,
    ...(auth.kind === 'token'
      ? { authorization: `Bearer ${auth.token}` }
      : { 'x-auth-email': auth.email, 'x-auth-key': auth.key }),
  };
}

/** A missing content type is let through: the envelope is checked anyway. */
function isJson(answer: Answer): boolean {
  const type = answer.header('content-type');
  return type === null || /^application\/(?:[\w.+-]*\+)?json\s*(?:;|$)/i.test(type.trim());
}
