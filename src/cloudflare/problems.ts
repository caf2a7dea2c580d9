// What an answer (or none) means for a person: Cloudflare's code decides first, then the status.
import { OperatorError, type OperatorErrorParts } from '../errors.ts';
import { limitInWords } from './budget.ts';
import type { Answer } from './exchange.ts';
import { AttemptFailure, ExchangeError, type FailureKind } from './failures.ts';
import { createCleaner, describeBody } from './quote.ts';
import { readErrors, type ApiError } from './responses.ts';

/** A 400 that is none of the known problems: asking for a smaller per_page may help. */
export function isPageSizeRefused(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'REQUEST_REFUSED' && causeOf(error)?.status === 400;
}

/** What was asked for: a page of the summary, the own record of one user, or what the API knows of the credentials. */
export type Subject = keyof typeof SUBJECTS;

const SUBJECTS = {
  summary: 'a risk summary',
  user: "a user's record",
  credentials: 'an answer about the credentials',
};

/** A question about a user was answered by a 404 that speaks of the user, not of the address. */
export function isUserUnknown(error: unknown): boolean {
  return error instanceof OperatorError && error.code === USER_UNKNOWN;
}

/** The API does not know these credentials, or does not let them read this: others may be let. */
export function areCredentialsRefused(error: unknown): boolean {
  if (!(error instanceof AttemptFailure)) return false;
  const { problem } = error;
  if (problem.code === 'AUTHENTICATION_FAILED' || problem.code === 'PERMISSION_DENIED') return true;
  const cause = causeOf(problem);
  if (problem.code !== 'LOOKUPS_REFUSED' || cause === null) return false;
  const isAuthentication = [...AUTHENTICATION_CODES].some((code) => cause.code === `CLOUDFLARE_${code}`);
  return cause.status === 401 || cause.status === 403 || isAuthentication;
}

/** Gave up because the page took too long, at our end or theirs: a smaller page may help. */
export function isPageTimeout(error: unknown): boolean {
  if (!(error instanceof OperatorError)) return false;
  const cause = causeOf(error);
  return cause !== null && (TIMEOUT_CODES.has(cause.code) || TIMEOUT_STATUSES.has(cause.status ?? 0));
}

const TIMEOUT_CODES = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'PAGE_DEADLINE']);
const TIMEOUT_STATUSES = new Set([408, 504, 524]);
const AUTHENTICATION_CODES = new Set([10000, 9109]);
const KEY_FORMAT_CODES = new Set([6003, 6103]);
const ACCOUNT_CODE = 7003;
// "No route for that URI": the address is not there, whoever the user is.
const NO_ROUTE_CODE = 7000;
// Never leaves the client: a user who is not there is an answer.
const USER_UNKNOWN = 'USER_UNKNOWN';
const THROTTLE_CODES = new Set([971, 10429, 1015]);

const TOO_LARGE: Readonly<Record<string, string>> = {
  BODY_TOO_LARGE: 'An answer was longer than any that is read',
  RECORD_TOO_LARGE: 'An answer held a record of more than 1 MiB',
  ENVELOPE_TOO_LARGE: 'An answer held more than 1 MiB beside its records',
};

const UNCHANGED = 'No snapshot was published; the last one stays as it is';
const PERMISSION = 'Zero Trust: PII Read';

export type Judge = {
  /** Null: the answer is a page to be read. `json` is its parsed text, undefined when it is not JSON. */
  ofAnswer(
    answer: Answer,
    json: unknown,
    asked: { accountId: string; subject: Subject },
  ): AttemptFailure | null;
  ofExchange(error: ExchangeError): AttemptFailure;
  /** A 200 that is neither a summary nor a record. */
  ofBadAnswer(answer: Answer, subject: Subject): AttemptFailure;
};

/** `secrets` never appear in a text, whoever wrote it, also those that are added later; `host` is named when it cannot be reached. */
export function createJudge(options: {
  host: string;
  authKind: 'token' | 'key';
  secrets: Iterable<string>;
}): Judge {
  const { authKind, host } = options;
  const clean = createCleaner(options.secrets);

  function fail(
    kind: FailureKind,
    cause: ExchangeError,
    parts: Omit<OperatorErrorParts, 'means' | 'cause'> & { means?: string },
  ): AttemptFailure {
    return new AttemptFailure(kind, new OperatorError({ means: UNCHANGED, ...parts, cause }));
  }

  function quote({ code, message }: ApiError): string {
    const text = clean(message);
    return [code === null ? '' : `code ${code}`, text === '' ? '' : `"${text}"`].filter(Boolean).join(': ');
  }

  function refusedCredentials(cause: ExchangeError, said: string, isApi: boolean): AttemptFailure {
    const denied = cause.status === 403;
    const credentials =
      authKind === 'token'
        ? `Check that CLOUDFLARE_API_TOKEN is valid, not expired, made for this account, and holds the permission ${PERMISSION} (Zero Trust Read is not enough)`
        : `Check CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY, and that this member holds the permission ${PERMISSION} on this account`;
    return fail('final', cause, {
      code: denied ? 'PERMISSION_DENIED' : 'AUTHENTICATION_FAILED',
      happened: denied
        ? `Cloudflare does not let these credentials read the risk summary (${said})`
        : `Cloudflare did not accept the credentials (${said})`,
      todo: isApi
        ? credentials
        : `${credentials}; as the answer was not the API's usual JSON, a proxy or a firewall may have refused instead`,
    });
  }

  function throttled(cause: ExchangeError, said: string): AttemptFailure {
    return fail('throttled', cause, {
      code: 'RATE_LIMITED',
      happened: `Cloudflare kept answering that there were too many requests (${said})`,
      todo: `Try again in 5 minutes; the limit (${limitInWords()}) is shared with the dashboard and every other program of the same user`,
    });
  }

  function unavailable(cause: ExchangeError, said: string): AttemptFailure {
    return fail('unavailable', cause, {
      code: 'CLOUDFLARE_UNAVAILABLE',
      happened: `Cloudflare is unwell: it kept answering with an error (${said})`,
      todo: 'Try again later; https://www.cloudflarestatus.com shows known incidents',
    });
  }

  function badAnswer(cause: ExchangeError, happened: string): AttemptFailure {
    return fail('bad_answer', cause, {
      code: 'BAD_ANSWER',
      happened,
      todo: 'Try again later; if it stays so, check CLOUDFLARE_BASE_URL and whether a proxy answers instead of Cloudflare',
    });
  }

  function lookupsRefused(cause: ExchangeError, said: string): AttemptFailure {
    return fail('final', cause, {
      code: 'LOOKUPS_REFUSED',
      happened: `Cloudflare does not let single users be asked about (${said})`,
      means: 'Users who are not in the summary are cleared after two complete walks instead',
      todo: `Give the credentials the permission ${PERMISSION}, or set SYNC_CONFIRM=walks if this is meant`,
    });
  }

  function ofAnswer(
    answer: Answer,
    json: unknown,
    { accountId, subject }: { accountId: string; subject: Subject },
  ): AttemptFailure | null {
    const { status } = answer;
    if (status >= 300 && status < 400) return redirected(answer);
    const errors = readErrors(json);
    if (status === 200 && errors === null) return null;
    const known = (codes: ReadonlySet<number>) =>
      errors?.find(({ code }) => code !== null && codes.has(code));
    const cause = (error?: ApiError) =>
      new ExchangeError(error?.code != null ? `CLOUDFLARE_${error.code}` : `HTTP_${status}`, status);
    const first = errors?.[0];
    const said = `status ${status}${first === undefined ? '' : `, ${quote(first)}`}`;
    const saying = (error: ApiError) => `status ${status}, ${quote(error)}`;

    const slowDown = known(THROTTLE_CODES);
    if (slowDown) return throttled(cause(slowDown), saying(slowDown));
    if (subject === 'user' && status >= 400 && status < 500 && status !== 408 && status !== 429) {
      const speaksOfUser =
        status === 404 && errors !== null && !known(new Set([ACCOUNT_CODE, NO_ROUTE_CODE]));
      if (!speaksOfUser) return lookupsRefused(cause(first), said);
      return fail('final', cause(first), { code: USER_UNKNOWN, happened: said, todo: '' });
    }
    const unknownCaller = known(AUTHENTICATION_CODES);
    if (unknownCaller) return refusedCredentials(cause(unknownCaller), saying(unknownCaller), true);
    const malformed = known(KEY_FORMAT_CODES);
    if (malformed) {
      return fail('final', cause(malformed), {
        code: 'KEY_FORMAT',
        happened: `Cloudflare cannot read the credentials as they were sent (${saying(malformed)})`,
        todo:
          authKind === 'key'
            ? 'CLOUDFLARE_API_KEY holds something that is not a Global API Key, most likely an API token: set it as CLOUDFLARE_API_TOKEN and unset CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY'
            : 'CLOUDFLARE_API_TOKEN holds something that is not an API token: copy the token again, or if it is a Global API Key, set CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY instead',
      });
    }
    const noRoute = known(new Set([ACCOUNT_CODE]));
    if (noRoute) {
      return fail('final', cause(noRoute), {
        code: 'ACCOUNT_NOT_FOUND',
        happened: `Cloudflare knows no account ${clean(accountId)} (${saying(noRoute)})`,
        todo: 'Set CLOUDFLARE_ACCOUNT_ID to the 32-character id that the dashboard shows in its address and under "Account ID"',
      });
    }
    if (status === 429) return throttled(cause(first), said);
    if (status === 401 || status === 403) return refusedCredentials(cause(first), said, errors !== null);
    if (status === 404) {
      return fail('final', cause(first), {
        code: 'ENDPOINT_NOT_FOUND',
        happened: `There is no risk summary at this address (${said})`,
        todo: 'Check CLOUDFLARE_BASE_URL; Cloudflare itself is https://api.cloudflare.com/client/v4',
      });
    }
    if (status === 407) return ofExchange(new ExchangeError('PROXY_407', status));
    if (status === 408 || status >= 500) return unavailable(cause(first), said);
    if (status >= 400) {
      return fail('final', cause(first), {
        code: 'REQUEST_REFUSED',
        happened: `Cloudflare refused the request (${errors === null ? `${said}, ${describeBody(answer, clean)}` : said})`,
        todo: 'Read what it says; if it speaks of per_page, set SYNC_PER_PAGE to a smaller number',
      });
    }
    return badAnswer(
      cause(first),
      errors === null
        ? `Cloudflare's answer is not a page (${said}, ${describeBody(answer, clean)})`
        : `Cloudflare answered that it did not succeed (${said})`,
    );
  }

  function redirected(answer: Answer): AttemptFailure {
    const location = answer.header('location');
    const target = location !== null && URL.canParse(location) ? clean(new URL(location).host) : '';
    return fail('final', new ExchangeError(`HTTP_${answer.status}`, answer.status), {
      code: 'REDIRECTED',
      happened: `The API sent us elsewhere (status ${answer.status}), to ${target === '' ? 'another path or nowhere' : target}`,
      means: `The redirect was not followed, because the credentials would have gone there. ${UNCHANGED}`,
      todo: 'Set CLOUDFLARE_BASE_URL to the final address if you trust it, or look for a proxy or a login page in between',
    });
  }

  function ofExchange(error: ExchangeError): AttemptFailure {
    const tooLarge = TOO_LARGE[error.code];
    if (tooLarge !== undefined) {
      return fail('final', error, {
        code: 'BODY_TOO_LARGE',
        happened: `${tooLarge}, so it was not read to its end`,
        todo: 'Set SYNC_PER_PAGE to a smaller number, and check that CLOUDFLARE_BASE_URL is really the API',
      });
    }
    if (error.code === 'PROXY_407') {
      return fail('final', error, {
        code: 'PROXY_REFUSED',
        happened: 'The proxy asks for a user and a password (status 407)',
        todo: 'Write them into HTTPS_PROXY (http://user:password@proxy:port), or list the host in NO_PROXY',
      });
    }
    const isTls = /CERT|SELF_SIGNED|VERIFY|SSL|TLS/.test(error.code);
    return fail(TIMEOUT_CODES.has(error.code) ? 'timeout' : 'network', error, {
      code: 'NETWORK',
      happened: `No whole answer came from ${clean(host)} (${error.code})`,
      todo: isTls
        ? 'If a proxy inspects TLS here, name its certificate authority in NODE_EXTRA_CA_CERTS; else check CLOUDFLARE_BASE_URL'
        : 'Check DNS, the network, HTTPS_PROXY and CLOUDFLARE_BASE_URL from this host, and try again later',
    });
  }

  return {
    ofAnswer,
    ofExchange,
    ofBadAnswer: (answer, subject) =>
      badAnswer(
        new ExchangeError('BAD_ANSWER', answer.status),
        `Cloudflare's answer is not ${SUBJECTS[subject]} (${describeBody(answer, clean)})`,
      ),
  };
}

function causeOf(error: OperatorError): ExchangeError | null {
  return error.cause instanceof ExchangeError ? error.cause : null;
}
