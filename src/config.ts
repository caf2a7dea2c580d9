// Reads the environment once: process.env, `.env` and `*_FILE`. One zod schema checks it, and all problems are reported
// at once. The only file that reads process.env.
import { lstatSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import * as z from 'zod';
import type { CloudflareAuth } from './cloudflare/credentials-in-use.ts';
import { databaseUrlProblem, databaseUrlSecrets } from './database-url.ts';
import { readEnvFile } from './env-file.ts';
import { OperatorError } from './errors.ts';
import { isLoopbackHost, isPrivateHost } from './net/private-host.ts';
import { defaultTimeBudget, scheduleProblems } from './time/schedule.ts';
import { isTimeZone } from './time/zones.ts';

/**
 * Variables that hold a secret. Each may be given as `<NAME>_FILE` instead, and its value is removed from all output.
 */
export const SECRETS = [
  'CLOUDFLARE_API_TOKEN',
  'CLOUDFLARE_API_KEY',
  'DATABASE_URL',
  'HTTP_TOKEN',
  'PING_URL',
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

const LOOPBACK = '127.0.0.1';
const DURATION = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const milliseconds = (text: string) =>
  Number(text.slice(0, -1)) * DURATION[text.slice(-1) as keyof typeof DURATION];

/** Every variable this program reads, without its `_FILE` forms. `.env.example` is checked against it. */
export const Environment = z.object({
  CLOUDFLARE_API_TOKEN: z.string().optional(),
  CLOUDFLARE_EMAIL: z.string().optional(),
  CLOUDFLARE_API_KEY: z.string().optional(),
  CLOUDFLARE_ACCOUNT_ID: z
    .string()
    .optional()
    .transform((text) =>
      [...new Set((text ?? '').split(',').map((id) => id.trim()))].filter((id) => id !== ''),
    )
    .refine((ids) => ids.every(isAccountId), 'must be one account id or several, separated by commas'),
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
  DATABASE_URL: z
    .string()
    .superRefine((text, context) => {
      const message = databaseUrlProblem(text);
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .optional(),
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
  HTTP_HOST: z.string().default(LOOPBACK),
  HTTP_PORT: wholeNumber(0, 65_535).default(8787),
  HTTP_TOKEN: z.string().optional(),
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

export type Config = Readonly<{
  cloudflare: {
    /** Null when no credentials are set. Commands that need credentials ask for `cloudflare`, and never get null. */
    auth: CloudflareAuth | null;
    /** The file that the token or the key came from; null when it was set directly. */
    secretFile: string | null;
    accountIds: readonly string[];
    baseUrl: URL;
    proxy: { httpsProxy?: string; httpProxy?: string; noProxy?: string };
  };
  /** Null: the embedded Postgres. */
  databaseUrl: string | null;
  sync: {
    schedule: string;
    timezone: string;
    perPage: 'auto' | number;
    concurrency: number;
    maxPasses: number;
    /** Whether absent users are asked about one by one, or two complete walks are enough. */
    confirm: 'lookup' | 'walks';
    /** At most this many absent users are asked about in one run. */
    confirmLookups: number;
    /** A share of the present users: if more would be cleared at once, nobody is. */
    maxClearedRatio: number;
    /** A share of the request limit, which the dashboard uses as well. */
    rateShare: number;
    timeBudgetMs: number;
    /** How long the raw text of a rejected record is kept after it was last met. */
    rejectedRetentionMs: number;
  };
  http: { host: string; port: number; token: string | null };
  /** Pinged after each success; `{account_id}` in it stands for the account. Null: no ping. */
  pingUrl: string | null;
  logLevel: string;
  /** Values that must never be printed. The set grows when a secret is read again, so read it each time. */
  secrets: ReadonlySet<string>;
  /** Where the embedded Postgres lives. */
  dataFolder: { home: string; dataHome?: string };
}>;

export type Source = {
  env: Readonly<Record<string, string | undefined>>;
  /** Path of a `.env` file; read when it exists. Null: none (the demo). */
  envFile: string | null;
};

export function processSource(): Source {
  return { env: process.env, envFile: '.env' };
}

export function isAccountId(text: string): boolean {
  return /^[0-9A-Za-z_-]{1,64}$/.test(text);
}

/** What a command needs beyond the defaults. */
export type Need = 'cloudflare' | 'accounts' | 'database' | 'guarded-http';

/** Reads and checks the environment. Throws CONFIGURATION (exit 78) with every problem at once. */
export function readConfig(source: Source, needs: readonly Need[] = []): Config {
  const problems: string[] = [];
  const { values, files } = collect(source, problems);
  // What cannot be read is no number, schedule or URL: one problem is enough.
  const unreadable = new Set(problems.map((problem) => problem.split(':', 1)[0]));
  const parsed = Environment.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    const name = issue.path.join('.');
    if (!unreadable.has(name)) problems.push(`${name}: ${issue.message}`);
  }
  const auth = readAuth(values, problems, needs.includes('cloudflare'));
  if (needs.includes('accounts') && values['CLOUDFLARE_ACCOUNT_ID'] === undefined) {
    problems.push(
      'No account: set CLOUDFLARE_ACCOUNT_ID (one account id or several, separated by commas), or give --account',
    );
  }
  if (needs.includes('database') && values['DATABASE_URL'] === undefined) {
    problems.push(
      'DATABASE_URL: must be set when there is no terminal: otherwise the history would go to a disk that may be thrown away',
    );
  }
  // Checks the raw values, so that other problems do not hide these.
  const host = values['HTTP_HOST'] ?? LOOPBACK;
  if (needs.includes('guarded-http') && values['HTTP_TOKEN'] === undefined && !isLoopbackHost(host)) {
    problems.push(
      `HTTP_TOKEN: must be set when HTTP_HOST is ${host}: everybody who reaches it could read the metrics and start runs`,
    );
  }
  const base = values['CLOUDFLARE_BASE_URL'];
  if (base !== undefined && URL.canParse(base) && values['CLOUDFLARE_ALLOW_INSECURE'] !== '1') {
    const { protocol, hostname } = new URL(base);
    if (protocol === 'http:' || isPrivateHost(hostname)) {
      problems.push(
        'CLOUDFLARE_BASE_URL: plain http and private addresses are refused, because the credentials would go there; set CLOUDFLARE_ALLOW_INSECURE=1 if this is intended',
      );
    }
  }
  if (!parsed.success || problems.length > 0) {
    throw new OperatorError({
      code: 'CONFIGURATION',
      happened: `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
      means: 'Nothing was started',
      todo: 'Set the variables in the environment or in .env; .env.example explains each',
    });
  }
  const e = parsed.data;
  return deepFreeze({
    cloudflare: {
      auth,
      secretFile:
        (auth && files[auth.kind === 'token' ? 'CLOUDFLARE_API_TOKEN' : 'CLOUDFLARE_API_KEY']) ?? null,
      accountIds: e.CLOUDFLARE_ACCOUNT_ID,
      baseUrl: e.CLOUDFLARE_BASE_URL,
      proxy: {
        ...(e.HTTPS_PROXY === undefined ? {} : { httpsProxy: e.HTTPS_PROXY }),
        ...(e.HTTP_PROXY === undefined ? {} : { httpProxy: e.HTTP_PROXY }),
        ...(e.NO_PROXY === undefined ? {} : { noProxy: e.NO_PROXY }),
      },
    },
    databaseUrl: e.DATABASE_URL ?? null,
    sync: {
      schedule: e.SYNC_SCHEDULE,
      timezone: e.SYNC_TIMEZONE,
      perPage: e.SYNC_PER_PAGE,
      concurrency: e.SYNC_CONCURRENCY,
      maxPasses: e.SYNC_MAX_PASSES,
      confirm: e.SYNC_CONFIRM,
      confirmLookups: e.SYNC_CONFIRM_LOOKUPS,
      maxClearedRatio: e.SYNC_MAX_CLEARED_RATIO,
      rateShare: e.SYNC_RATE_SHARE,
      timeBudgetMs: e.SYNC_TIME_BUDGET ?? defaultTimeBudget(e.SYNC_SCHEDULE, e.SYNC_TIMEZONE),
      rejectedRetentionMs: e.RETENTION_REJECTED,
    },
    http: { host: e.HTTP_HOST, port: e.HTTP_PORT, token: e.HTTP_TOKEN ?? null },
    pingUrl: e.PING_URL ?? null,
    logLevel: e.LOG_LEVEL,
    secrets: secretsOf(values),
    dataFolder: dataFolder(source),
  });
}

/**
 * Reads the credentials from their file again, and adds them to `secrets`. Null when they did not come from a file, or
 * when the file holds nothing that could be a credential. Reads no other setting again.
 */
export function rereadAuth({
  cloudflare: { auth, secretFile },
  secrets,
}: Pick<Config, 'cloudflare' | 'secrets'>): CloudflareAuth | null {
  if (auth === null || secretFile === null) return null;
  let text: string;
  try {
    text = readSecretFile(secretFile);
  } catch {
    return null;
  }
  if (!HEADER_VALUE.test(text)) return null;
  for (const secret of scrubbable([text])) (secrets as Set<string>).add(secret);
  return auth.kind === 'token' ? { ...auth, token: text } : { ...auth, key: text };
}

/** Needed by `database` and `demo`, which read no other setting. */
export function dataFolder(source: Source): Config['dataFolder'] {
  const dataHome = source.env['XDG_DATA_HOME']?.trim();
  return { home: homedir(), ...(dataHome === undefined || dataHome === '' ? {} : { dataHome }) };
}

/** Never throws: a defect is explained also where the configuration cannot be read. */
export function wantsStackTraces(source: Source): boolean {
  return ['debug', 'trace'].includes(variables(source, [])['LOG_LEVEL'] ?? '');
}

/**
 * The variables that are set. The environment wins over `.env`, and `_FILE` forms are resolved. An empty variable
 * counts as unset.
 */
function collect(
  source: Source,
  problems: string[],
): { values: Record<string, string>; files: Partial<Record<(typeof SECRETS)[number], string>> } {
  const all = variables(source, problems);
  const values: Record<string, string> = {};
  for (const name of Object.keys(Environment.shape)) {
    // Proxy variables are often written in lower case.
    const value = all[name] || (name.endsWith('_PROXY') ? all[name.toLowerCase()] : undefined);
    if (value) values[name] = value;
    if (value && UNREADABLE.test(value) && !IN_HEADERS.includes(name))
      problems.push(`${name}: ${HOLDS_UNREADABLE}`);
  }
  const files: Partial<Record<(typeof SECRETS)[number], string>> = {};
  for (const name of SECRETS) {
    const path = all[`${name}_FILE`];
    if (!path) continue;
    if (values[name] !== undefined) {
      problems.push(`${name}: set both directly and as ${name}_FILE; keep one`);
      continue;
    }
    try {
      const text = readSecretFile(path);
      if (text !== '') values[name] = text;
      // Deployments mount the file of every secret, also of one that few people set.
      else if (name !== 'PING_URL') problems.push(`${name}_FILE: the file is empty`);
      if (UNREADABLE.test(text) && !IN_HEADERS.includes(name)) problems.push(`${name}: ${HOLDS_UNREADABLE}`);
      files[name] = path;
    } catch (error) {
      problems.push(`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  }
  return { values, files };
}

/** Outer blanks and line breaks are cut from every value, so that each use sees the same text. */
function variables(source: Source, problems: string[]): Record<string, string | undefined> {
  const all: Record<string, string | undefined> = {};
  const fromFile = source.envFile === null ? {} : envFileValues(source.envFile, problems);
  for (const [name, value] of [...Object.entries(fromFile), ...Object.entries(source.env)])
    if (value !== undefined && value.trim() !== '') all[name] = value.trim();
  return all;
}

function envFileValues(file: string, problems: string[]): Record<string, string> {
  try {
    // Only a file that is not there counts as none. One that cannot be read may hold DATABASE_URL.
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return {};
    const { values, problems: found } = readEnvFile(readFileSync(file), isOurs);
    problems.push(...found.map((problem) => `.env: ${problem}`));
    return values;
  } catch (error) {
    problems.push(`.env: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return {};
  }
}

function isOurs(name: string): boolean {
  return Object.hasOwn(Environment.shape, name.replace(/_FILE$/, ''));
}

// Inside a value, such a character is a mistake in pasting or in the encoding of a file.
const UNREADABLE = /[\p{Cc}\ufffd]/u;
const HOLDS_UNREADABLE = 'holds a line break, another control character, or text that is not UTF-8';

function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

// A header value cannot hold anything else, and a pasted line break is the usual mistake.
const HEADER_VALUE = /^[\x21-\x7e]+$/;
const IN_HEADERS = ['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_EMAIL', 'CLOUDFLARE_API_KEY'];

function readAuth(
  values: Record<string, string>,
  problems: string[],
  required: boolean,
): CloudflareAuth | null {
  const token = values['CLOUDFLARE_API_TOKEN'];
  const email = values['CLOUDFLARE_EMAIL'];
  const key = values['CLOUDFLARE_API_KEY'];
  for (const name of IN_HEADERS) {
    if (values[name] !== undefined && !HEADER_VALUE.test(values[name])) {
      problems.push(`${name}: holds a space, a line break or a character outside ASCII`);
    }
  }
  if (token !== undefined && (key !== undefined || email !== undefined)) {
    problems.push(
      'CLOUDFLARE_API_TOKEN and CLOUDFLARE_EMAIL/CLOUDFLARE_API_KEY are both set; keep one way to authenticate',
    );
    return null;
  }
  if (token !== undefined) return { kind: 'token', token };
  if (email !== undefined && key !== undefined) return { kind: 'key', email, key };
  if (email !== undefined) problems.push('CLOUDFLARE_API_KEY: missing, though CLOUDFLARE_EMAIL is set');
  else if (key !== undefined) problems.push('CLOUDFLARE_EMAIL: missing, though CLOUDFLARE_API_KEY is set');
  else if (required) {
    problems.push(
      'No credentials: set CLOUDFLARE_API_TOKEN (an API token with the permission Zero Trust: PII Read), or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY',
    );
  }
  return null;
}

function secretsOf(values: Record<string, string>): ReadonlySet<string> {
  const secrets: string[] = [];
  for (const name of SECRETS) if (values[name] !== undefined) secrets.push(values[name]);
  if (values['DATABASE_URL'] !== undefined) secrets.push(...databaseUrlSecrets(values['DATABASE_URL']));
  for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'PING_URL']) {
    const url = URL.parse(values[name] ?? '');
    if (url !== null && url.password !== '') secrets.push(url.password, decoded(url.password));
    // The secret of such a monitor is its path. The URL that is asked differs from the setting by the account's id.
    if (url !== null && name === 'PING_URL')
      secrets.push(
        ...`${url.pathname}${url.search}`.split(PLACEHOLDER).filter((part) => part.length > SHORT_PATH),
      );
  }
  return new Set(scrubbable(secrets));
}

const PLACEHOLDER = /\/?(?:\{|%7B)account_id(?:\}|%7D)/i;
// Such as /ping: it may be a part of any address.
const SHORT_PATH = 8;

/** Shorter secrets would match inside ordinary words. */
function scrubbable(secrets: readonly string[]): string[] {
  return secrets.filter((secret) => secret.length >= 4);
}

/** A text with a % that encodes nothing stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null && !(part instanceof URL)) deepFreeze(part);
  }
  return Object.freeze(value);
}
