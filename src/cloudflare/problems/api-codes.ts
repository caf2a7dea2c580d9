// Codes and statuses that decide what an answer means: Cloudflare's own, and those of the exchange.

/** The caller is not known, or may not do this. */
export const AUTHENTICATION_CODES: ReadonlySet<number> = new Set([10000, 9109]);
/** What was sent as a token or key is none. */
export const KEY_FORMAT_CODES: ReadonlySet<number> = new Set([6003, 6103]);
/** The account in the address is not there. */
export const ACCOUNT_CODES: ReadonlySet<number> = new Set([7003]);
/** The address is not there: "No route for that URI", or its account is missing. */
export const ADDRESS_CODES: ReadonlySet<number> = new Set([...ACCOUNT_CODES, 7000]);
export const THROTTLE_CODES: ReadonlySet<number> = new Set([971, 10429, 1015]);

/** Of an ExchangeError: it took too long at our end. */
export const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'PAGE_DEADLINE',
]);
/** It took too long at theirs. */
export const TIMEOUT_STATUSES: ReadonlySet<number> = new Set([408, 504, 524]);
