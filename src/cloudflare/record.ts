// What one record of the summary means: a user, or a reason why it is set aside. A reason never quotes a value.
import * as z from 'zod';
import { RISK_LEVELS, type UserRisk } from '../user-risk.ts';

/** Characters (code points). The longest address SMTP can carry. */
export const EMAIL_MAX_LENGTH = 320;
/** Characters (code points). */
export const NAME_MAX_LENGTH = 10_000;
/** UTF-16 units of a rejected record's JSON that are kept. */
export const RAW_MAX_LENGTH = 4_096;
const INT4_MAX = 2_147_483_647;
// Postgres refuses date-times of more than 128 characters; 30 leave room for everything but the fraction.
const FRACTION_MAX_DIGITS = 98;

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
    .refine((text) => text.isWellFormed(), 'holds a lone surrogate')
    .nullish()
    .transform((text) => text ?? null);

const SummaryRecord = z.object(
  {
    user_id: Uuid,
    email: optionalText(EMAIL_MAX_LENGTH),
    name: optionalText(NAME_MAX_LENGTH),
    max_risk_level: z.enum(RISK_LEVELS, { error: missingOr('unknown level') }),
    event_count: z
      .number({ error: missingOr('not a number') })
      .refine(
        (count) => Number.isInteger(count) && count >= 0 && count <= INT4_MAX,
        `not a whole number from 0 to ${INT4_MAX}`,
      )
      .transform((count) => (count === 0 ? 0 : count)), // -0 is an integer, too
    last_event: z
      .string({ error: missingOr('not a date-time') })
      .refine(isDateTime, 'not an RFC 3339 date-time from year 1 to 9999'),
  },
  { error: 'not an object' },
);

/** The fields this version knows; any other is reported once and ignored. */
export const RECORD_FIELDS: ReadonlySet<string> = new Set(Object.keys(SummaryRecord.shape));

/**
 * Strict where Postgres and the history are: a good record is ready for COPY as it stands. `reason` is stable text
 * without values; `userId` is null when even the uuid cannot be read; `raw` is capped and safe for a text column.
 */
export function parseRecord(raw: unknown): ParsedRecord {
  const parsed = SummaryRecord.safeParse(raw);
  if (parsed.success) return { ok: true, user: parsed.data };
  const reasons = parsed.error.issues.map((issue) =>
    issue.path.length === 0 ? `record: ${issue.message}` : `${issue.path.join('.')}: ${issue.message}`,
  );
  const userId = Uuid.safeParse((raw as { user_id?: unknown } | null | undefined)?.user_id);
  return {
    ok: false,
    userId: userId.success ? userId.data : null,
    reason: [...new Set(reasons)].join('; '),
    raw: rawText(raw),
  };
}

/**
 * RFC 3339 as Postgres's timestamptz takes it: a day of the calendar, no leap second, an offset within 15:59 hours,
 * and an instant that stays within the years 1 to 9999 once it is UTC.
 */
export function isDateTime(text: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i.exec(
    text,
  );
  if (match === null) return false;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 15 || offsetMinutes > 59) return false;
  if ((match[7]?.length ?? 0) > FRACTION_MAX_DIGITS) return false;
  const offset = (offsetHours * 60 + offsetMinutes) * (match[8] === '-' ? -60_000 : 60_000);
  const utc = new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000;
  return utc - offset >= FIRST_INSTANT && utc - offset < LAST_SECOND;
}

const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
// The last second itself is left out: its fraction may round up into year 10000.
const LAST_SECOND = Date.parse('9999-12-31T23:59:59Z');

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function longerThan(text: string, maxLength: number): boolean {
  if (text.length <= maxLength) return false;
  return text.length > 2 * maxLength || [...text].length > maxLength;
}

/** JSON.stringify escapes NUL and lone surrogates by itself; the cut may leave half a pair. */
function rawText(raw: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(raw);
  } catch {
    // Nested too deeply to be written again.
  }
  return (text ?? '[not JSON]').slice(0, RAW_MAX_LENGTH).toWellFormed();
}
