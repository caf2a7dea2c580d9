// The API client: one page of the risk summary, asked politely and as often as it takes. One per process and credentials;
// it holds the only connection pool to Cloudflare, and one pace for all requests.
import type { Logger } from '../logger.ts';
import { ask, type AskDeps } from './ask.ts';
import { createDispatcher, type Answer, type Proxy } from './exchange.ts';
import { BODY_LIMITS, type BodyLimits } from './body-limits.ts';
import { CLOUDFLARE_LIMIT, type RequestLimit } from './budget.ts';
import { createCredentials, type CloudflareAuth } from './credentials-in-use.ts';
import { readMember, readTokenState, type TokenState } from './endpoints/credentials.ts';
import { createPacer, type BudgetLeft } from './pacing.ts';
import { createJudge } from './problems/judge.ts';
import { isUserUnknown } from './problems/meanings.ts';
import type { OpenReader } from './endpoints/summary/record-reader.ts';
import type { ResultInfo } from './responses.ts';
import { createSummaryIntake, type Intake } from './endpoints/summary/summary-intake.ts';
import type { PageTally } from './tally-page.ts';
import { createTurns } from './turns.ts';
import type { CountUse } from './usage.ts';
import { readUserRecord, type UserRecord } from './endpoints/user-record.ts';
import { DEFAULT_TIMING, defaultSleep, type Sleep, type Timing } from './retry.ts';

export type SummaryPage<T> = PageTally<T> & {
  info: ResultInfo;
  /** Of this page's body. */
  bytes: number;
};

export type CloudflareClient = {
  /**
   * Waits for its turn, asks, and asks again while that may help. Rejects with signal.reason at once when aborted, else with an
   * OperatorError (`isPageSizeRefused` and `isPageTimeout` in problems/meanings.ts tell whether a smaller page is worth a try), or with
   * what the reader threw. `openReader` may keep the page waiting; a reader serves one attempt. Pages of an account that are
   * asked for side by side resolve in the order in which their bodies ended.
   */
  summaryPage<T>(request: {
    accountId: string;
    page: number;
    perPage: number;
    signal: AbortSignal;
    countUse: CountUse;
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
    countUse: CountUse;
  }): Promise<UserRecord | null>;
  /**
   * What the API says of the token itself: asked as a user's own token, or as one that `accountId` owns. The two kinds are asked
   * about at different addresses, and the wrong one refuses a good token. Throws what a page would throw.
   */
  verifyToken(request: {
    accountId: string | null;
    signal: AbortSignal;
    countUse: CountUse;
  }): Promise<TokenState>;
  /** Whether the member of an email and a key is suspended. Throws what a page would throw. */
  verifyKey(request: { signal: AbortSignal; countUse: CountUse }): Promise<{ suspended: boolean }>;
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

export type ClientOptions = {
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
};

/**
 * Throws PROXY_UNUSABLE when the proxy's address cannot be read. `now` and `sleep` are seams for tests, in ms. `rereadAuth` is asked
 * when the credentials are refused: what it returns, if it is something else, is used from then on.
 */
export function createCloudflareClient(options: ClientOptions): CloudflareClient {
  const { baseUrl } = options;
  const timing: Timing = { ...DEFAULT_TIMING, ...options.timing };
  const sleep = options.sleep ?? defaultSleep;
  const pacer = createPacer({
    sleep,
    now: options.now ?? (() => performance.now()),
    maxWaitMs: timing.maxWaitMs,
    limit: options.limit === undefined ? CLOUDFLARE_LIMIT : options.limit,
    share: options.rateShare ?? 0.8,
  });
  const credentials = createCredentials(options.auth, options.rereadAuth);
  const dispatcher = createDispatcher(baseUrl, options.proxy, timing);
  const closed = new AbortController();
  const deps: AskDeps = {
    dispatcher,
    origin: baseUrl.origin,
    timing,
    limits: { ...BODY_LIMITS, ...options.bodyLimits },
    judge: createJudge({
      host: baseUrl.host,
      authKind: options.auth.kind,
      secrets: credentials.secrets,
    }),
    pacer,
    credentials,
    sleep,
    logger: options.logger,
    wallClock: options.now ?? Date.now,
    isClosed: () => closed.signal.aborted,
    onAnswer: options.onAnswer,
    onNoAnswer: options.onNoAnswer,
  };
  return {
    ...endpointsOf(deps, baseUrl),
    estimateMs: (requests) => pacer.estimateMs(requests),
    budgetLeft: () => pacer.budgetLeft(),
    async close() {
      closed.abort();
      await dispatcher.destroy();
    },
  };
}

type Endpoints = Pick<CloudflareClient, 'summaryPage' | 'lookUpUser' | 'verifyToken' | 'verifyKey'>;

function endpointsOf(deps: AskDeps, baseUrl: URL): Endpoints {
  const prefix = baseUrl.pathname.replace(/\/*$/, '');
  const takeTurn = createTurns();
  const scoring = (accountId: string) =>
    `${prefix}/accounts/${encodeURIComponent(accountId)}/zt_risk_scoring`;
  return {
    summaryPage({ accountId, page, perPage, signal, countUse, openReader }) {
      const path = `${scoring(accountId)}/summary?page=${page}&per_page=${perPage}`;
      return ask(deps, { path, accountId, page, subject: 'summary', signal, countUse }, () =>
        createSummaryIntake({ openReader, signal, takeTurn: () => takeTurn(accountId) }),
      );
    },
    async lookUpUser({ accountId, userId, signal, countUse }) {
      const path = `${scoring(accountId)}/${encodeURIComponent(userId)}`;
      const question = { path, accountId, subject: 'user', signal, countUse } as const;
      try {
        return await ask(deps, question, held(readUserRecord));
      } catch (error) {
        if (isUserUnknown(error)) return null;
        throw error;
      }
    },
    verifyToken({ accountId, signal, countUse }) {
      const owner = accountId === null ? 'user' : `accounts/${encodeURIComponent(accountId)}`;
      const path = `${prefix}/${owner}/tokens/verify`;
      const question = {
        path,
        accountId: accountId ?? '',
        subject: 'credentials',
        signal,
        countUse,
      } as const;
      return ask(deps, question, held(readTokenState));
    },
    verifyKey({ signal, countUse }) {
      const question = {
        path: `${prefix}/user`,
        accountId: '',
        subject: 'credentials',
        signal,
        countUse,
      } as const;
      return ask(deps, question, held(readMember));
    },
  };
}

/** Of answers that are never large: null from `read` means that this is no such answer. */
function held<T>(read: (json: unknown) => T | null): () => Intake<T> {
  return () => ({ openLarge: null, read: (json) => read(json) ?? undefined });
}
