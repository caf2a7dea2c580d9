// The envelope of the API, read tolerantly: everything except `success` may be missing. Records are handed on
// unchanged.
import * as z from 'zod';

/** Every number may be missing, and none has proved reliable. Never end a walk because of a single one of them. */
export type ResultInfo = {
  page?: number;
  per_page?: number;
  count?: number;
  total_count?: number;
  total_pages?: number;
};
export type ApiError = { code: number | null; message: string };
export type Summary = { records: unknown[]; info: ResultInfo };

const wholeNumber = z.int().nonnegative().optional().catch(undefined);

const Info = z
  .object({
    page: wholeNumber,
    per_page: wholeNumber,
    count: wholeNumber,
    total_count: wholeNumber,
    total_pages: wholeNumber,
  })
  .catch({});

const SummaryEnvelope = z.object({
  success: z.literal(true),
  // `result` is optional in the specification; in 2024, `users` was optional as well. Code that knows the history
  // judges an empty answer.
  result: z.object({ users: z.array(z.unknown()).nullish() }).nullish(),
  result_info: Info.optional(),
});

type ErrorEntry = { code?: number | undefined; message: string; error_chain?: unknown };
const ErrorEntry = z.object({
  code: z
    .union([
      z.int(),
      z
        .string()
        .regex(/^\d{1,9}$/)
        .transform(Number),
    ])
    .optional()
    .catch(undefined),
  message: z.string().catch(''),
  error_chain: z.unknown().optional(),
});

const FailureEnvelope = z.object({ success: z.unknown().optional(), errors: z.array(z.unknown()).nullish() });

/** The page, or null if the JSON is not a successful summary. */
export function readSummary(json: unknown): Summary | null {
  const parsed = SummaryEnvelope.safeParse(json);
  if (!parsed.success) return null;
  return { records: parsed.data.result?.users ?? [], info: readInfo(parsed.data.result_info) };
}

/** The readable parts of `result_info`, for any list. */
export function readInfo(json: unknown): ResultInfo {
  const known = Object.entries(Info.parse(json)).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known);
}

/** The `errors` of a failed envelope, causes included, outermost first. Null if the JSON is not a failed envelope. */
export function readErrors(json: unknown): ApiError[] | null {
  const parsed = FailureEnvelope.safeParse(json);
  if (!parsed.success || parsed.data.success === true) return null;
  if (parsed.data.success !== false && !Array.isArray(parsed.data.errors)) return null;
  return (parsed.data.errors ?? []).slice(0, 20).flatMap((entry) => {
    const outer = readEntry(entry);
    if (outer === null) return [];
    const chain = Array.isArray(outer.error_chain) ? outer.error_chain.slice(0, 20) : [];
    return [outer, ...chain.map(readEntry).filter((inner) => inner !== null)].map(({ code, message }) => ({
      code: code ?? null,
      message,
    }));
  });
}

/**
 * Whether a body of this content type is read as JSON. Proxies are known to change or drop the type, and the envelope
 * is checked anyway. Only a type that promises something else is refused: a web page is never the API.
 */
export function isJsonType(type: string | null): boolean {
  const text = type?.trim() ?? '';
  return (
    text === '' ||
    /^(?:(?:application|text)\/(?:[\w.+-]*\+)?json|text\/plain|application\/octet-stream)\s*(?:;|$)/i.test(
      text,
    )
  );
}

const QUOTE = 34;
const BACKSLASH = 92;
// This bit turns both brackets into braces.
const BRACE_BIT = 32;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Whether the brackets of a JSON text nest deeper than `most`. Takes a millisecond for a megabyte. */
export function nestsDeeper(json: Uint8Array, most: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json[at]!;
    if (code === QUOTE) {
      do at += json[at] === BACKSLASH ? 2 : 1;
      while (at < json.length && json[at] !== QUOTE);
    } else if ((code | BRACE_BIT) === OPEN_BRACE) {
      if (++depth > most) return true;
    } else if ((code | BRACE_BIT) === CLOSE_BRACE) depth--;
  }
  return false;
}

/** Undefined if the text is not JSON: no JSON text means undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function readEntry(entry: unknown): ErrorEntry | null {
  const parsed = ErrorEntry.safeParse(entry);
  return parsed.success ? parsed.data : null;
}
