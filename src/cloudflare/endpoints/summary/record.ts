// What one record of the summary means: a user, or a reason for its rejection. A reason never quotes a value.
import * as z from 'zod';
import { mapIdentity, RISK_LEVELS, type UserRisk } from '../../../user-risk.ts';
import { NOT_UTF8 } from './decode-text.ts';
import { checkRecord, INT4_MAX, longerThan, TEXT_MAX_LENGTH } from './check-record.ts';
import { isDateTime } from './date-time.ts';
import { DeepRecord } from './record-reader.ts';

/** UTF-16 units of a rejected record's JSON that are kept. */
export const RAW_MAX_LENGTH = 4_096;

export type ParsedRecord =
  | { ok: true; user: UserRisk }
  | { ok: false; userId: string | null; reason: string; raw: string };

const missingOr = (text: string) => (issue: { input?: unknown }) =>
  issue.input === undefined ? 'missing' : text;

const Uuid = z
  .string({ error: missingOr('not a uuid') })
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'not a uuid')
  .transform((text) => text.toLowerCase());

const optionalText = (maxLength: number) =>
  z
    .string({ error: 'not text' })
    .refine((text) => !longerThan(text, maxLength), {
      error: `longer than ${maxLength} characters`,
      abort: true,
    })
    .refine((text) => !text.includes('\0'), 'holds a NUL character')
    .refine((text) => !NOT_UTF8.test(text), { error: 'not UTF-8', abort: true })
    .refine((text) => text.isWellFormed(), 'holds a lone surrogate')
    .nullish()
    .transform((text) => text ?? null);

const SummaryRecord = z.object(
  {
    user_id: Uuid,
    ...mapIdentity((field) => optionalText(TEXT_MAX_LENGTH[field])),
    max_risk_level: z.enum(RISK_LEVELS, { error: missingOr('unknown level') }),
    event_count: z
      .number({ error: missingOr('not a number') })
      .refine(
        (count) => Number.isInteger(count) && count >= 0 && count <= INT4_MAX,
        `not a whole number from 0 to ${INT4_MAX}`,
      )
      .transform((count) => (count === 0 ? 0 : count)), // -0 is an integer as well
    last_event: z
      .string({ error: missingOr('not a date-time') })
      .refine(isDateTime, 'not an RFC 3339 date-time from year 1 to 9999'),
  } satisfies Record<keyof UserRisk, z.ZodType>,
  { error: 'not an object' },
);

/** The fields that this version knows. Any other field is reported once and ignored. */
export const RECORD_FIELDS: ReadonlySet<string> = new Set(Object.keys(SummaryRecord.shape));

/**
 * As strict as Postgres and the history require: a good record is ready for COPY. `reason` is stable text without
 * values. `userId` is null if even the uuid cannot be read. `raw` is capped, and safe for a text column.
 */
export function parseRecord(raw: unknown): ParsedRecord {
  if (raw instanceof DeepRecord) return rejectDeep(raw.rest);
  const user = checkRecord(raw);
  return user === null ? parseBySchema(raw) : { ok: true, user };
}

/** Uses only the schema, because only the schema gives reasons. */
export function parseBySchema(raw: unknown): ParsedRecord {
  const parsed = SummaryRecord.safeParse(raw);
  if (parsed.success) return { ok: true, user: parsed.data };
  const reasons = parsed.error.issues.map((issue) =>
    issue.path.length === 0 ? `record: ${issue.message}` : `${issue.path.join('.')}: ${issue.message}`,
  );
  return { ok: false, userId: userIdOf(raw), reason: [...new Set(reasons)].join('; '), raw: rawText(raw) };
}

/** Its text is not JSON, so that no reader mistakes the rest for the record as served. */
function rejectDeep(rest: unknown): ParsedRecord {
  const raw = `[nested too deeply] ${rawText(rest)}`.slice(0, RAW_MAX_LENGTH);
  return { ok: false, userId: userIdOf(rest), reason: 'record: nested too deeply', raw };
}

function userIdOf(raw: unknown): string | null {
  const userId = Uuid.safeParse((raw as { user_id?: unknown } | null | undefined)?.user_id);
  return userId.success ? userId.data : null;
}

/**
 * JSON.stringify escapes NUL and lone surrogates. The cut may leave half of a surrogate pair, which becomes U+FFFD. The
 * text is copied, because V8 keeps a whole text in memory while a part of it is in use.
 */
function rawText(raw: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(raw);
  } catch {
    // Nested too deeply for JSON.stringify.
  }
  return Buffer.from((text ?? '[not JSON]').slice(0, RAW_MAX_LENGTH)).toString();
}
