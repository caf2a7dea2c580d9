// The codes and statuses that decide what an answer means: Cloudflare's, and those of the exchange.

/** The caller is unknown, or not allowed to do this. */
export const AUTHENTICATION_CODES: ReadonlySet<number> = new Set([10000, 10001, 9103, 9106, 9109]);
/** The value that was sent as a token or key is not a token or key. */
export const KEY_FORMAT_CODES: ReadonlySet<number> = new Set([6003, 6103]);
/** The account in the address does not exist. */
export const ACCOUNT_CODES: ReadonlySet<number> = new Set([7003]);
/** The address does not exist ("No route for that URI"), or its account does not exist. */
export const ADDRESS_CODES: ReadonlySet<number> = new Set([...ACCOUNT_CODES, 7000]);
export const THROTTLE_CODES: ReadonlySet<number> = new Set([971, 10429, 1015]);

/** Codes of Cloudflare's edge. It answers with a page of its own, or with a problem in JSON, in place of the API. */
/** A rule of the zone blocks the caller: by address, country, signature or path. */
export const EDGE_BLOCK_CODES: ReadonlySet<number> = new Set([
  1005, 1006, 1007, 1008, 1009, 1010, 1012, 1020, 1106,
]);
/** The edge does not serve this host. */
export const EDGE_HOST_CODES: ReadonlySet<number> = new Set([1000, 1001, 1002, 1003, 1013, 1014, 1018, 1023]);

/** The request, or the page that it asks for, is too large or out of range. */
export const SIZE_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 416, 422]);

/** Codes of an ExchangeError: the request timed out on our side. */
export const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'PAGE_DEADLINE',
]);
/** The request timed out on the server's side. */
export const TIMEOUT_STATUSES: ReadonlySet<number> = new Set([408, 504, 524]);
