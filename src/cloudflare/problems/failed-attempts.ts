// The error text for each way in which an attempt can fail. Pure; judge.ts decides which one it is.
import { limitInWords } from '../pace/budget.ts';
import { OperatorError, type OperatorErrorParts } from '../../errors.ts';
import { AttemptFailure, ExchangeError, type FailureKind } from '../failures.ts';
import { TIMEOUT_CODES } from './api-codes.ts';

/** What the server said: the plain fact, and a clean quotation. */
export type Told = { cause: ExchangeError; said: string };
export type AuthKind = 'token' | 'key';

const UNCHANGED = 'No snapshot was published; the last one stays as it is';
const PERMISSION = 'Zero Trust: PII Read';

// The codes of OpenSSL and Node for a certificate that failed the check. Waiting fixes none of them.
const CERTIFICATE =
  /^(CERT_|CRL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(VERIFY|GET|DECRYPT|DECODE)_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$|ERR_TLS_CERT_)/;

function fail(
  kind: FailureKind,
  cause: ExchangeError,
  parts: Omit<OperatorErrorParts, 'means' | 'cause'> & { means?: string },
): AttemptFailure {
  return new AttemptFailure(kind, new OperatorError({ means: UNCHANGED, ...parts, cause }));
}

export function throttled({ cause, said }: Told): AttemptFailure {
  return fail('throttled', cause, {
    code: 'RATE_LIMITED',
    happened: `Cloudflare kept answering that it got too many requests (${said})`,
    todo: `Try again in 5 minutes; the limit (${limitInWords()}) is shared with the dashboard and every other program of the same user`,
  });
}

/** A rate limiting rule of the zone in front, which has nothing to do with the limit of the API. */
export function throttledByZone({ cause, said }: Told): AttemptFailure {
  return fail('throttled', cause, {
    code: 'RATE_LIMITED',
    happened: `Cloudflare's edge kept answering that this host sends too many requests (${said})`,
    todo: 'Try again later; this is a rate limiting rule for the address of this host, not the limit of the API: check who else uses the address, and whether CLOUDFLARE_BASE_URL names a zone of your own with such a rule',
  });
}

/** A challenge may appear once by chance, so the worker asks again a few times. */
export function challenged({ cause, said }: Told): AttemptFailure {
  return fail('bad_answer', cause, {
    code: 'CHALLENGED',
    happened: `Cloudflare kept answering with a challenge for browsers, which a program cannot pass (${said})`,
    todo: 'Run it from a host with another public address (not a VPN, a proxy or a shared exit), or ask Cloudflare support with the ray number; if CLOUDFLARE_BASE_URL names a zone of your own, let this host skip the rule there',
  });
}

export function blocked({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'BLOCKED',
    happened: `A firewall rule at Cloudflare blocks this host (${said})`,
    todo: 'Run it from a host with another public address, or ask Cloudflare support with the ray number; if CLOUDFLARE_BASE_URL names a zone of your own, look for the ray under Security > Events there, and allow this host. The credentials were not judged',
  });
}

export function hostNotServed({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'ENDPOINT_NOT_FOUND',
    happened: `Cloudflare's edge serves nothing under this host name (${said})`,
    todo: 'Check CLOUDFLARE_BASE_URL; Cloudflare itself is https://api.cloudflare.com/client/v4',
  });
}

/** The request had no condition, so this answer is from a cache or proxy in between. */
export function notModified(): AttemptFailure {
  return badAnswer(
    new ExchangeError('HTTP_304', 304),
    'The answer was "not modified" (status 304), although the request had no condition. A cache between this host and Cloudflare answers wrongly',
  );
}

/** The API token is bound to addresses ("client IP address filtering"). */
export function addressRefused({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'ADDRESS_REFUSED',
    happened: `Cloudflare does not accept this token from the address of this host (${said})`,
    todo: 'Edit the token in the dashboard: add the address that Cloudflare names to "Client IP Address Filtering", or remove the filter. IPv4 and IPv6 are separate addresses',
  });
}

/** `account`: clean; null: unknown. */
export function notInPlan({ cause, said }: Told, account: string | null): AttemptFailure {
  return fail('final', cause, {
    code: 'NOT_IN_PLAN',
    happened: `Cloudflare does not offer user risk scoring on ${account === null ? 'this account' : `the account ${account}`} (${said})`,
    todo: 'Check in the dashboard that Zero Trust is set up on this account, and that its plan includes user risk scoring (documented for Enterprise); ask the account team, or remove the account from CLOUDFLARE_ACCOUNT_ID',
  });
}

export function unavailable({ cause, said }: Told): AttemptFailure {
  return fail('unavailable', cause, {
    code: 'CLOUDFLARE_UNAVAILABLE',
    happened: `Cloudflare kept answering with an error (${said})`,
    todo: 'Try again later; https://www.cloudflarestatus.com shows known incidents',
  });
}

export function badAnswer(cause: ExchangeError, happened: string): AttemptFailure {
  return fail('bad_answer', cause, {
    code: 'BAD_ANSWER',
    happened,
    todo: 'Try again later; if the error stays, check CLOUDFLARE_BASE_URL, and whether a proxy answers instead of Cloudflare',
  });
}

/** `isApi`: the answer was the API's usual JSON. */
export function refusedCredentials(
  { cause, said }: Told,
  authKind: AuthKind,
  isApi: boolean,
): AttemptFailure {
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
      : `${credentials}; the answer was not the API's usual JSON, so a proxy or a firewall may have refused the request`,
  });
}

export function keyFormat({ cause, said }: Told, authKind: AuthKind): AttemptFailure {
  return fail('final', cause, {
    code: 'KEY_FORMAT',
    happened: `Cloudflare cannot read the credentials as they were sent (${said})`,
    todo:
      authKind === 'key'
        ? 'CLOUDFLARE_API_KEY does not hold a Global API Key, but most likely an API token: set it as CLOUDFLARE_API_TOKEN, and unset CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY'
        : 'CLOUDFLARE_API_TOKEN does not hold an API token: copy the token again; if it is a Global API Key, set CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY instead',
  });
}

export function accountNotFound({ cause, said }: Told, account: string): AttemptFailure {
  return fail('final', cause, {
    code: 'ACCOUNT_NOT_FOUND',
    happened: `Cloudflare does not know the account ${account} (${said})`,
    todo: 'Set CLOUDFLARE_ACCOUNT_ID to the 32-character id that the dashboard shows in its address and under "Account ID"',
  });
}

export function endpointNotFound({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'ENDPOINT_NOT_FOUND',
    happened: `There is no risk summary at this address (${said})`,
    todo: 'Check CLOUDFLARE_BASE_URL; Cloudflare itself is https://api.cloudflare.com/client/v4',
  });
}

export function requestRefused({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'REQUEST_REFUSED',
    happened: `Cloudflare refused the request (${said})`,
    todo: 'Read what Cloudflare says; if it names per_page, set SYNC_PER_PAGE to a smaller number',
  });
}

export function listRefused({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'PERMISSION_DENIED',
    happened: `Cloudflare does not let these credentials list accounts (${said})`,
    means: 'It is not known which accounts there are',
    todo: 'Give the token the permission Account Settings: Read on the accounts to sync, or list their ids in CLOUDFLARE_ACCOUNT_ID or CLOUDFLARE_ACCOUNT_ID_FILE',
  });
}

export function lookupsRefused({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, {
    code: 'LOOKUPS_REFUSED',
    happened: `Cloudflare does not allow lookups of single users (${said})`,
    means: 'Users who are not in the summary are cleared after two complete walks instead',
    todo: `Give the credentials the permission ${PERMISSION}, or set SYNC_CONFIRM=walks if this is intended`,
  });
}

/** Never leaves the client: "there is no such user" is an answer. */
export function userUnknown({ cause, said }: Told): AttemptFailure {
  return fail('final', cause, { code: 'USER_UNKNOWN', happened: said, todo: '' });
}

/** `target`: a clean host name; empty for none. */
export function redirected(status: number, target: string): AttemptFailure {
  return fail('final', new ExchangeError(`HTTP_${status}`, status), {
    code: 'REDIRECTED',
    happened: `The API redirected the request (status ${status}) to ${target === '' ? 'another path or nowhere' : target}`,
    means: `The redirect was not followed, because it would have sent the credentials there. ${UNCHANGED}`,
    todo: 'Set CLOUDFLARE_BASE_URL to the final address if you trust it; otherwise look for a proxy or a login page in between',
  });
}

const TOO_LARGE: Readonly<Record<string, string>> = {
  BODY_TOO_LARGE: 'An answer was longer than the limit',
  RECORD_TOO_LARGE: 'An answer held a record of more than 1 MiB',
  ENVELOPE_TOO_LARGE: 'An answer held more than 1 MiB besides its records',
};

/** No complete answer arrived. `host`: clean. */
export function noAnswer(error: ExchangeError, host: string): AttemptFailure {
  const tooLarge = TOO_LARGE[error.code];
  if (tooLarge !== undefined) {
    return fail('final', error, {
      code: 'BODY_TOO_LARGE',
      happened: `${tooLarge}, so the rest was not read`,
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
  if (CERTIFICATE.test(error.code)) {
    return fail('final', error, {
      code: 'CERTIFICATE_REFUSED',
      happened: `The certificate that ${host} showed is not accepted (${error.code})`,
      todo: 'If a proxy inspects TLS here, name its certificate authority in NODE_EXTRA_CA_CERTS. If the certificate has expired or is not yet valid, check the clock of this host. Otherwise check CLOUDFLARE_BASE_URL',
    });
  }
  const isTls = /SSL|TLS|EPROTO/.test(error.code);
  return fail(TIMEOUT_CODES.has(error.code) ? 'timeout' : 'network', error, {
    code: 'NETWORK',
    happened: `No complete answer came from ${host} (${error.code})`,
    todo: isTls
      ? 'Check CLOUDFLARE_BASE_URL and HTTPS_PROXY: the other side may not speak TLS there'
      : 'Check DNS, the network, HTTPS_PROXY and CLOUDFLARE_BASE_URL from this host, and try again later',
  });
}
