// Every variable that the program reads, as one zod schema: form, default, and allowed values.
import * as z from 'zod';
import { isAccountId, toAccountId } from '../account-file.ts';
import { databaseUrlProblem } from '../database-url.ts';
import { PII_MODES, readPiiKey } from '../pii-policy.ts';
import { parseDuration } from '../time/duration.ts';
import { scheduleProblems } from '../time/schedule.ts';
import { isTimeZone } from '../time/zones.ts';

/**
 * Variables that hold a secret. Each may be given as `<NAME>_FILE` instead, and its value is removed from all output.
 */
export const SECRETS = [
  'CLOUDFLARE_API_TOKEN',
  'CLOUDFLARE_API_KEY',
  'DATABASE_URL',
  'DATABASE_COPY_TO_URL',
  'HTTP_TOKEN',
  'HTTP_PII_TOKEN',
  'PING_URL',
  'PII_KEY',
] as const;

const wholeNumber = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((n) => n >= low && n <= high, `must be a whole number from ${low} to ${high}`);

const share = (message: string, isAllowed: (n: number) => boolean) =>
  z
    .string()
    .regex(/^(?:0|1|0?\.\d{1,6}|1\.0{1,6})$/, message)
    .transform(Number)
    .refine(isAllowed, message);

const databaseUrl = z.string().superRefine((text, context) => {
  const message = databaseUrlProblem(text);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

/** As CLOUDFLARE_ACCOUNT_ID: all accounts that the token sees. */
export const EVERY_ACCOUNT = '*';

export const LOOPBACK = '127.0.0.1';
const milliseconds = (text: string) => parseDuration(text) ?? Number.NaN;

const kept = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, 'must be a duration such as 400d, 12h or 90m')
  .transform(milliseconds)
  .optional();

/** Every variable this program reads, without its `_FILE` forms. `.env.example` is checked against it. */
export const Environment = z.object({
  CLOUDFLARE_API_TOKEN: z.string().optional(),
  CLOUDFLARE_EMAIL: z.string().optional(),
  CLOUDFLARE_API_KEY: z.string().optional(),
  CLOUDFLARE_ACCOUNT_ID: z
    .string()
    .optional()
    .transform((text) =>
      [...new Set((text ?? '').split(',').map((id) => toAccountId(id.trim())))].filter((id) => id !== ''),
    )
    .refine(
      (ids) => ids.length === 1 || !ids.includes(EVERY_ACCOUNT),
      '* already means all accounts that the token sees: give it alone, or give ids alone',
    )
    .refine(
      (ids) => ids.every((id) => id === EVERY_ACCOUNT || isAccountId(id)),
      'must be one account id or several, separated by commas, or * for all accounts that the token sees',
    ),
  CLOUDFLARE_BASE_URL: z
    .string()
    .default('https://api.cloudflare.com/client/v4')
    .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'must be an https URL')
    .transform((text) => (URL.canParse(text) ? new URL(text) : new URL('https://invalid.invalid')))
    .refine((url) => url.username === '' && url.password === '', 'must not hold a user or a password'),
  CLOUDFLARE_ALLOW_INSECURE: z
    .enum(['0', '1'], 'must be 0 or 1')
    .default('0')
    .transform((text) => text === '1'),
  HTTPS_PROXY: z.string().optional(),
  HTTP_PROXY: z.string().optional(),
  NO_PROXY: z.string().optional(),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_COPY_TO_URL: databaseUrl.optional(),
  SYNC_SCHEDULE: z
    .string()
    .default('0 * * * *')
    .superRefine((text, context) => {
      for (const problem of scheduleProblems(text)) context.addIssue({ code: 'custom', message: problem });
    }),
  SYNC_TIMEZONE: z.string().default('UTC').refine(isTimeZone, 'must be a time zone such as Europe/Berlin'),
  SYNC_PER_PAGE: z
    .union([z.literal('auto'), wholeNumber(1, 100_000)], 'must be auto or a whole number from 1')
    .default('auto'),
  SYNC_CONCURRENCY: wholeNumber(1, 32).default(4),
  SYNC_PARALLEL_ACCOUNTS: wholeNumber(1, 32).default(4),
  SYNC_MAX_PASSES: wholeNumber(1, 20).default(4),
  SYNC_CONFIRM: z.enum(['lookup', 'walks'], 'must be lookup or walks').default('lookup'),
  SYNC_CONFIRM_LOOKUPS: wholeNumber(0, 100_000).default(100),
  SYNC_MAX_CLEARED_RATIO: share('must be a number from 0 to 1, such as 0.5', (n) => n >= 0).default(0.5),
  SYNC_RATE_SHARE: share('must be a number above 0 and at most 1, such as 0.8', (n) => n > 0).default(0.8),
  SYNC_TIME_BUDGET: z
    .string()
    .regex(/^\d{1,6}[smh]$/, 'must be a duration such as 900s, 30m or 2h')
    .transform(milliseconds)
    .refine((ms) => ms > 0, 'must be longer than 0')
    .optional(),
  RETENTION_REJECTED: z
    .string()
    .regex(/^\d{1,5}[smhd]$/, 'must be a duration such as 30d, 12h or 90m')
    .default('30d')
    .transform(milliseconds)
    .refine((ms) => ms > 0, 'must be longer than 0'),
  PII_MODE: z.enum(PII_MODES, 'must be full, pseudonymous or none').default('full'),
  PII_KEY: z
    .string()
    .refine(
      (text) => readPiiKey(text) !== null,
      'must be at least 32 random bytes in base64, such as from `openssl rand -base64 32`',
    )
    .optional(),
  RETENTION_ACTIVITY: kept,
  RETENTION_LEVELS: kept,
  RETENTION_IDENTITIES: kept,
  RETENTION_RUNS: kept,
  HIGH_TARGET: z
    .string()
    .regex(/^\d{1,5}[smhd]$/, 'must be a duration such as 24h, 90m or 3d')
    .default('24h')
    .transform(milliseconds)
    .refine((ms) => ms > 0, 'must be longer than 0'),
  HTTP_HOST: z.string().default(LOOPBACK),
  HTTP_PORT: wholeNumber(0, 65_535).default(8787),
  HTTP_TOKEN: z.string().optional(),
  HTTP_ALLOWED_HOSTS: z
    .string()
    .optional()
    .transform((text) => (text ?? '').split(',').flatMap((host) => host.trim().toLowerCase() || []))
    .refine(
      (hosts) => hosts.every(isHostName),
      'must be one host name or several, separated by commas, without scheme and port',
    ),
  HTTP_SHOW_IDENTITIES: z
    .enum(['0', '1'], 'must be 0 or 1')
    .default('0')
    .transform((text) => text === '1'),
  HTTP_PII_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, 'must have at least 16 characters of ASCII, without spaces')
    .optional(),
  PING_URL: z
    .string()
    .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
      message: 'must be an http or https URL',
    })
    .optional(),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'must be debug, info, warn, error or silent',
    )
    .default('info'),
});
export type Environment = z.infer<typeof Environment>;

/** A name, an IPv4 address, or an IPv6 address in brackets, as in a Host header. */
function isHostName(text: string): boolean {
  return /^(?:[a-z0-9](?:[a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])$/.test(text);
}
