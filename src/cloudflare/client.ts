// The API client: asks for pages of the risk summary and for users' own records, at a polite pace and with retries.
// There is one client per process and set of credentials. It holds the only connection pool to Cloudflare, and one
// pacer for all requests.
import type { Logger } from '../logger.ts';
import { ask, type AskDeps } from './ask.ts';
import { createDispatcher, type Answer, type Proxy } from './exchange.ts';
import { BODY_LIMITS, type BodyLimits } from './body-limits.ts';
import { CLOUDFLARE_LIMIT, type RequestLimit } from './pace/budget.ts';
import { createCredentials, type CloudflareAuth } from './credentials-in-use.ts';
import { readAccountPage, type AccountPage } from './endpoints/account-page.ts';
import { readMember, readTokenState, type TokenState } from './endpoints/credentials.ts';
import { identify } from './pace/identify.ts';
import type { BudgetLeft } from './pace/known-limits.ts';
import { createPacer } from './pace/pacing.ts';
import type { SharedBudget } from './pace/reservations.ts';
import { createJudge } from './problems/judge.ts';
import { isUserUnknown } from './problems/meanings.ts';
import type { OpenReader } from './endpoints/summary/record-reader.ts';
import type { ResultInfo } from './responses.ts';
import { createSummaryIntake, type Intake } from './endpoints/summary/summary-intake.ts';
import type { PageTally } from './paging/tally-page.ts';
import { createTurns } from './turns.ts';
import type { CountUse } from './usage.ts';
import { readUserRecord, type UserRecord } from './endpoints/user-record.ts';
import { DEFAULT_TIMING, defaultSleep, type Sleep, type Timing } from './retry.ts';

export type SummaryPage<T> = PageTally<T> & {
  info: ResultInfo;
  /** Size of the body of this page. */
  bytes: number;
};

export type CloudflareClient = {
  /**
   * Waits for its turn, asks, and asks again while that may help. When aborted, it rejects with signal.reason at once.
   * Otherwise it rejects with an OperatorError, or with what the reader threw. `isPageSizeRefused` and `isPageTimeout`
   * in problems/meanings.ts tell whether a smaller page may help. Each attempt has its own reader, and `openReader` may
   * make the page wait. If several pages of an account are under way, they resolve in the order in which their bodies
   * ended.
   */
  summaryPage<T>(request: {
    accountId: string;
    page: number;
    /** 0: the parameter is left out. */
    perPage: number;
    signal: AbortSignal;
    countUse: CountUse;
    openReader: OpenReader<T>;
  }): Promise<SummaryPage<T>>;
  /**
   * The user's own record; null if there is no such user (404). Waits and retries like a page. Throws LOOKUPS_REFUSED
   * if the API does not allow lookups, BAD_ANSWER if the answer is not a record, or what a page would throw.
   */
  lookUpUser(request: {
    accountId: string;
    userId: string;
    signal: AbortSignal;
    countUse: CountUse;
  }): Promise<UserRecord | null>;
  /**
   * One page of the accounts that the credentials may see. `perPage` 0: the parameter is left out. Waits, retries and
   * throws like a page of the summary.
   */
  accountPage(request: {
    page: number;
    perPage: number;
    signal: AbortSignal;
    countUse: CountUse;
  }): Promise<AccountPage>;
  /**
   * What the API says about the token itself. `accountId` null: the token belongs to a user. Otherwise the token
   * belongs to that account. Each kind has its own address, and the wrong address refuses a good token. Throws what a
   * page would throw.
   */
  verifyToken(request: {
    accountId: string | null;
    signal: AbortSignal;
    countUse: CountUse;
  }): Promise<TokenState>;
  /** Whether the member with this email and key is suspended. Throws what a page would throw. */
  verifyKey(request: { signal: AbortSignal; countUse: CountUse }): Promise<{ suspended: boolean }>;
  /**
   * The least time that this number of further requests takes, in ms, by the budgets known now. It is 0 while plenty is
   * left. The time until the answers arrive is not included.
   */
  estimateMs(requests: number): number;
  /** How many requests may still be sent. Null if nothing is known and nothing is counted. */
  budgetLeft(): BudgetLeft | null;
  /** Drops all connections. Requests under way fail. */
  close(): Promise<void>;
};

export type ClientOptions = {
  baseUrl: URL;
  auth: CloudflareAuth;
  rereadAuth?: () => CloudflareAuth | null;
  /**
   * The request limit that all programs with these credentials share. Null: nothing is counted, because nothing is
   * throttled or time is simulated.
   */
  limit?: RequestLimit | null;
  /** Seam for tests. */
  bodyLimits?: Partial<BodyLimits>;
  /** Our share of the limit: above 0, at most 1. The rest is left to the dashboard. */
  rateShare?: number;
  /**
   * The limit that all processes with these credentials keep together. Absent: this process counts only its own
   * requests.
   */
  sharedBudget?: SharedBudget;
  proxy?: Proxy;
  logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  timing?: Partial<Timing>;
  sleep?: Sleep;
  now?: () => number;
  /** Called with every answer, failed answers included, before it is judged. */
  onAnswer?: (answer: Pick<Answer, 'status' | 'header'>) => void;
  /** Called for every request without a complete answer. */
  onNoAnswer?: (why: 'timeout' | 'network') => void;
};

/**
 * Throws PROXY_UNUSABLE if the address of the proxy cannot be read. `now` and `sleep` are seams for tests, in ms.
 * `rereadAuth` is called when the API refuses the credentials. If it returns different ones, the client uses them from
 * then on.
 */
export function createCloudflareClient(options: ClientOptions): CloudflareClient {
  const { baseUrl } = options;
  const timing: Timing = { ...DEFAULT_TIMING, ...options.timing };
  const sleep = options.sleep ?? defaultSleep;
  const credentials = createCredentials(options.auth, options.rereadAuth);
  const pacer = createPacer({
    sleep,
    now: options.now ?? (() => performance.now()),
    maxWaitMs: timing.maxWaitMs,
    limit: options.limit === undefined ? CLOUDFLARE_LIMIT : options.limit,
    share: options.rateShare ?? 0.8,
    ...(options.sharedBudget && {
      shared: {
        shared: options.sharedBudget,
        identity: () => identify(credentials.current(), baseUrl.origin),
        logger: options.logger,
      },
    }),
  });
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
      await pacer.close();
    },
  };
}

type Endpoints = Omit<CloudflareClient, 'estimateMs' | 'budgetLeft' | 'close'>;

function endpointsOf(deps: AskDeps, baseUrl: URL): Endpoints {
  const prefix = baseUrl.pathname.replace(/\/*$/, '');
  const takeTurn = createTurns();
  const scoring = (accountId: string) =>
    `${prefix}/accounts/${encodeURIComponent(accountId)}/zt_risk_scoring`;
  return {
    summaryPage({ accountId, page, perPage, signal, countUse, openReader }) {
      const path = `${scoring(accountId)}/summary?page=${page}${perPage === 0 ? '' : `&per_page=${perPage}`}`;
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
    accountPage({ page, perPage, signal, countUse }) {
      const path = `${prefix}/accounts?page=${page}${perPage === 0 ? '' : `&per_page=${perPage}`}`;
      const question = { path, accountId: '', page, subject: 'accounts', signal, countUse } as const;
      return ask(deps, question, held(readAccountPage));
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

/** For answers that are never large. `read` returns null if the JSON is not the expected answer. */
function held<T>(read: (json: unknown, bytes: number) => T | null): () => Intake<T> {
  return () => ({ openLarge: null, read: (json, bytes) => read(json, bytes) ?? undefined });
}
