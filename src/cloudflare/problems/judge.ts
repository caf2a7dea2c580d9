// What an answer or a missing answer means. Cloudflare's code decides first, then the status.
import type { Answer } from '../exchange.ts';
import { ExchangeError, type AttemptFailure } from '../failures.ts';
import { createCleaner, describeBody } from '../quote.ts';
import { isJsonType, parseJson, readErrors, type ApiError } from '../responses.ts';
import { isChallenge, rayOf, readEdgeError, type EdgeError } from './edge-error.ts';
import {
  ACCOUNT_CODES,
  ADDRESS_CODES,
  AUTHENTICATION_CODES,
  EDGE_BLOCK_CODES,
  EDGE_HOST_CODES,
  KEY_FORMAT_CODES,
  THROTTLE_CODES,
} from './api-codes.ts';
import * as failed from './failed-attempts.ts';
import type { AuthKind, Told } from './failed-attempts.ts';

/** What was asked for: a page of the summary, a user's own record, or what the API knows about the credentials. */
export type Subject = keyof typeof SUBJECTS;

const SUBJECTS = {
  summary: 'a risk summary',
  user: "a user's record",
  accounts: 'a list of accounts',
  credentials: 'an answer about the credentials',
};

export type Judge = {
  /**
   * Null: the answer is not a failure and can be read. `json` is its parsed text, or undefined if the text is not JSON.
   */
  ofAnswer(
    answer: Answer,
    json: unknown,
    asked: { accountId: string; subject: Subject },
  ): AttemptFailure | null;
  ofExchange(error: ExchangeError): AttemptFailure;
  /** For a status 200 with a body that is not what we asked for. */
  ofBadAnswer(answer: Answer, subject: Subject): AttemptFailure;
};

type Clean = (text: string) => string;

/** "Cannot use the access token from location: 203.0.113.9". The code alone has other meanings. */
const BOUND_TO_ADDRESSES = /\bfrom location\b/i;
/** No code is known for it. Seen: "….api.not_entitled", "access.api.error.not_enabled: Access is not enabled". */
const NOT_IN_PLAN =
  /not[\s_-]+(?:entitled|enabled|subscribed)|entitlement|(?:your|this|current) plan|enterprise (?:plan|only|customers)/i;

/**
 * No text shows any of the `secrets`, even if the server repeats one, or it was added later. `host` is named if it
 * cannot be reached.
 */
export function createJudge(options: { host: string; authKind: AuthKind; secrets: Iterable<string> }): Judge {
  const { authKind } = options;
  const clean = createCleaner(options.secrets);
  const ofExchange = (error: ExchangeError) => failed.noAnswer(error, clean(options.host));
  return {
    ofExchange,
    ofAnswer(answer, json, { accountId, subject }) {
      const { status } = answer;
      if (isChallenge(answer)) return failed.challenged(toldOfEdge(answer, null, clean));
      if (status === 304) return failed.notModified();
      if (status >= 300 && status < 400) return failed.redirected(status, targetOf(answer, clean));
      const errors = readErrors(json);
      if (status === 200 && errors === null) return null;
      const edge = errors === null ? readEdgeError(answer, json) : null;
      const stopped = edge === null ? null : byEdge(edge, toldOfEdge(answer, edge, clean));
      if (stopped) return stopped;
      const refusal = readRefusal(answer, errors, clean);
      const slowDown = refusal.known(THROTTLE_CODES);
      if (slowDown) return failed.throttled(slowDown);
      const elsewhere = refusal.matching(AUTHENTICATION_CODES, BOUND_TO_ADDRESSES);
      if (elsewhere) return failed.addressRefused(elsewhere);
      if (subject === 'user' && isRefused(status)) return aboutUser(refusal);
      const lacking = subject === 'summary' && isRefused(status) && refusal.matching(null, NOT_IN_PLAN);
      if (lacking) return failed.notInPlan(lacking, clean(accountId));
      if (subject === 'accounts' && isListRefused(refusal)) return failed.listRefused(refusal.first);
      const coded = byCode(refusal, authKind, clean(accountId));
      if (coded !== null) return coded;
      if (status === 407) return ofExchange(new ExchangeError('PROXY_407', status));
      return byStatus(refusal, authKind);
    },
    ofBadAnswer: (answer, subject) =>
      failed.badAnswer(
        new ExchangeError('BAD_ANSWER', answer.status),
        `Cloudflare's answer is not ${SUBJECTS[subject]} (${describePage(answer, clean)})`,
      ),
  };
}

/** The parts of a failed answer that decide what it means. */
type FailedAnswer = {
  status: number;
  /** Whether it was the API's usual JSON. */
  isApi: boolean;
  /** The first error, or the status if there is no error. */
  first: Told;
  /** The first error that has one of these codes. */
  known: (codes: ReadonlySet<number>) => Told | null;
  /** The first error with such a text and one of these codes; null: any code. */
  matching: (codes: ReadonlySet<number> | null, text: RegExp) => Told | null;
  /** What the answer held in place of the API's JSON. */
  body: () => string;
};

function readRefusal(answer: Answer, errors: readonly ApiError[] | null, clean: Clean): FailedAnswer {
  const { status } = answer;
  const told = (error: ApiError | undefined): Told => {
    const said = error === undefined ? `status ${status}` : `status ${status}, ${quote(error, clean)}`;
    const code = error?.code != null ? `CLOUDFLARE_${error.code}` : `HTTP_${status}`;
    return { cause: new ExchangeError(code, status, said), said };
  };
  return {
    status,
    isApi: errors !== null,
    first: told(errors?.[0]),
    known(codes) {
      const error = errors?.find(({ code }) => code !== null && codes.has(code));
      return error === undefined ? null : told(error);
    },
    matching(codes, text) {
      const error = errors?.find(
        ({ code, message }) => (codes === null || (code !== null && codes.has(code))) && text.test(message),
      );
      return error === undefined ? null : told(error);
    },
    body: () => describeBody(answer, clean),
  };
}

function quote({ code, message }: ApiError, clean: Clean): string {
  const text = clean(message);
  return [code === null ? '' : `code ${code}`, text === '' ? '' : `"${text}"`].filter(Boolean).join(': ');
}

function toldOfEdge(answer: Answer, edge: EdgeError | null, clean: Clean): Told {
  const { status } = answer;
  const ray = rayOf(answer);
  const title = edge === null ? '' : clean(edge.title);
  const said = [`status ${status}`, title === '' ? '' : `"${title}"`, ray === null ? '' : `ray ${ray}`]
    .filter(Boolean)
    .join(', ');
  const code = edge?.code == null ? `HTTP_${status}` : `EDGE_${edge.code}`;
  return { cause: new ExchangeError(code, status, said), said };
}

/** Null: the status decides. */
function byEdge({ code }: EdgeError, told: Told): AttemptFailure | null {
  if (code === null) return null;
  if (THROTTLE_CODES.has(code)) return failed.throttledByZone(told);
  if (EDGE_BLOCK_CODES.has(code)) return failed.blocked(told);
  return EDGE_HOST_CODES.has(code) ? failed.hostNotServed(told) : null;
}

/** A refusal that stays the same when the request is repeated. */
function isRefused(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** Not allowed, although the credentials may be right: listing accounts needs a permission of its own. */
function isListRefused({ status, isApi, known }: FailedAnswer): boolean {
  return status === 403 && isApi && known(KEY_FORMAT_CODES) === null;
}

function aboutUser({ status, isApi, first, known }: FailedAnswer): AttemptFailure {
  const speaksOfUser = status === 404 && isApi && known(ADDRESS_CODES) === null;
  return speaksOfUser ? failed.userUnknown(first) : failed.lookupsRefused(first);
}

function byCode({ known }: FailedAnswer, authKind: AuthKind, account: string): AttemptFailure | null {
  const unknownCaller = known(AUTHENTICATION_CODES);
  if (unknownCaller) return failed.refusedCredentials(unknownCaller, authKind, true);
  const malformed = known(KEY_FORMAT_CODES);
  if (malformed) return failed.keyFormat(malformed, authKind);
  const noAccount = known(ACCOUNT_CODES);
  return noAccount && failed.accountNotFound(noAccount, account);
}

function byStatus({ status, isApi, first, body }: FailedAnswer, authKind: AuthKind): AttemptFailure {
  const { cause, said } = first;
  const quoted = isApi ? first : { cause, said: `${said}, ${body()}` };
  if (status === 429) return failed.throttled(first);
  if (status === 401 || status === 403) return failed.refusedCredentials(quoted, authKind, isApi);
  if (status === 404) return failed.endpointNotFound(first);
  if (status === 402) return failed.notInPlan(quoted, null);
  if (status === 408 || status >= 500) return failed.unavailable(quoted);
  if (status >= 400) return failed.requestRefused(quoted);
  return failed.badAnswer(
    cause,
    isApi
      ? `Cloudflare answered that the request did not succeed (${said})`
      : `Cloudflare's answer is not a page (${said}, ${body()})`,
  );
}

/** What the answer held instead, and the content type if it is the reason why JSON was not read. */
function describePage(answer: Answer, clean: Clean): string {
  const type = answer.header('content-type');
  if (type === null || isJsonType(type)) return describeBody(answer, clean);
  const isJson = answer.body !== 'broken' && parseJson(answer.text) !== undefined;
  return `content type ${clean(type)}, ${isJson ? 'under which JSON is not read' : describeBody(answer, clean)}`;
}

/** The host that a redirect names, clean; empty if it names none. */
function targetOf(answer: Answer, clean: Clean): string {
  const location = answer.header('location');
  return location !== null && URL.canParse(location) ? clean(new URL(location).host) : '';
}
