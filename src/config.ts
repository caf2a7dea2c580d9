// The configuration, read once from the variables. All problems are reported at once. The only file that reads
// process.env.
import { homedir } from 'node:os';
import type { CloudflareAuth } from './cloudflare/credentials-in-use.ts';
import { databaseUrlSecrets } from './database-url.ts';
import { Environment, EVERY_ACCOUNT, LOOPBACK, SECRETS } from './environment.ts';
import { OperatorError } from './errors.ts';
import type { PiiMode } from './pii-policy.ts';
import { isLoopbackHost, isPrivateHost } from './net/private-host.ts';
import type { Retention } from './retention.ts';
import { defaultTimeBudget } from './time/schedule.ts';
import { readAccountFile } from './account-file.ts';
import {
  ACCOUNT_FILE,
  collect,
  HEADER_VALUE,
  IN_HEADERS,
  QUOTED,
  readSecretFile,
  variables,
  type Source,
} from './variables.ts';

export type AccountsFrom =
  | { readonly kind: 'variable' | 'token' }
  | { readonly kind: 'file'; readonly path: string };

export type Config = Readonly<{
  cloudflare: {
    /** Null when no credentials are set. Commands that need credentials ask for `cloudflare`, and never get null. */
    auth: CloudflareAuth | null;
    /** The file that the token or the key came from; null when it was set directly. */
    secretFile: string | null;
    /** Empty when the token says which accounts there are. */
    accountIds: readonly string[];
    /** Where the ids come from: the variable, a file that may be read again, or the token's own list. */
    accountsFrom: AccountsFrom;
    baseUrl: URL;
    proxy: { httpsProxy?: string; httpProxy?: string; noProxy?: string };
  };
  /** Null: the embedded Postgres. */
  databaseUrl: string | null;
  /** For `database copy` alone. */
  copyToUrl: string | null;
  sync: {
    schedule: string;
    timezone: string;
    perPage: 'auto' | number;
    concurrency: number;
    /** How many accounts `serve` syncs side by side. */
    parallelAccounts: number;
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
  /** What is kept of emails and names. `key` may also be set in other modes: it finds what was kept as a hash. */
  pii: { mode: PiiMode; key: string | null };
  /** How long the history is kept. What is too old goes after a run, and by the command prune. */
  retention: Retention;
  /** How long a user may be at high before pages and reports call it too long. */
  highTargetMs: number;
  http: {
    host: string;
    port: number;
    token: string | null;
    /** Who signs in with it may see emails and names. Null: nobody may. */
    piiToken: string | null;
    /** Names by which the server is asked; empty: any name, if there is a token. */
    allowedHosts: readonly string[];
  };
  /** Pinged after each success; `{account_id}` in it stands for the account. Null: no ping. */
  pingUrl: string | null;
  logLevel: string;
  /** Values that must never be printed. The set grows when a secret is read again, so read it each time. */
  secrets: ReadonlySet<string>;
  /** Where the embedded Postgres lives. */
  dataFolder: { home: string; dataHome?: string };
}>;

export function processSource(): Source {
  return { env: process.env, envFile: '.env' };
}

/** What a command needs beyond the defaults. */
export type Need =
  | 'cloudflare'
  | 'accounts'
  | 'database'
  | 'guarded-http'
  /** It writes emails and names, or what is kept of them. */
  | 'pii';

/** Reads and checks the environment. Throws CONFIGURATION (exit 78) with every problem at once. */
export function readConfig(source: Source, needs: readonly Need[] = []): Config {
  const problems: string[] = [];
  const { values, files, accountFile } = collect(source, problems);
  // What cannot be read is no number, schedule or URL: one problem is enough.
  const unreadable = new Set(problems.map((problem) => problem.split(':', 1)[0]));
  const parsed = Environment.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    const name = issue.path.join('.');
    if (!unreadable.has(name)) problems.push(`${name}: ${issue.message}`);
  }
  const auth = readAuth(values, problems, needs.includes('cloudflare'));
  const listed = accountFile === null ? null : readAccountFile(accountFile);
  problems.push(...(listed?.problems ?? []).map((problem) => `${ACCOUNT_FILE}: ${problem}`));
  if (needs.includes('accounts') && values['CLOUDFLARE_ACCOUNT_ID'] === undefined && listed === null) {
    problems.push(
      'No account: set CLOUDFLARE_ACCOUNT_ID (one account id, several separated by commas, or * for all that the token sees) or CLOUDFLARE_ACCOUNT_ID_FILE, or give --account',
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
  if (needs.includes('guarded-http')) problems.push(...accessProblems(values));
  if (
    needs.includes('pii') &&
    values['PII_MODE'] === 'pseudonymous' &&
    values['PII_KEY'] === undefined &&
    !unreadable.has('PII_KEY') &&
    !unreadable.has('PII_KEY_FILE')
  ) {
    problems.push(
      'PII_KEY: must be set when PII_MODE is pseudonymous: emails and names are kept as hashes with this key. Make one with `openssl rand -base64 32`',
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
      ...accountsOf(e.CLOUDFLARE_ACCOUNT_ID, accountFile, listed?.ids ?? []),
      baseUrl: e.CLOUDFLARE_BASE_URL,
      proxy: {
        ...(e.HTTPS_PROXY === undefined ? {} : { httpsProxy: e.HTTPS_PROXY }),
        ...(e.HTTP_PROXY === undefined ? {} : { httpProxy: e.HTTP_PROXY }),
        ...(e.NO_PROXY === undefined ? {} : { noProxy: e.NO_PROXY }),
      },
    },
    databaseUrl: e.DATABASE_URL ?? null,
    copyToUrl: e.DATABASE_COPY_TO_URL ?? null,
    sync: {
      schedule: e.SYNC_SCHEDULE,
      timezone: e.SYNC_TIMEZONE,
      perPage: e.SYNC_PER_PAGE,
      concurrency: e.SYNC_CONCURRENCY,
      parallelAccounts: e.SYNC_PARALLEL_ACCOUNTS,
      maxPasses: e.SYNC_MAX_PASSES,
      confirm: e.SYNC_CONFIRM,
      confirmLookups: e.SYNC_CONFIRM_LOOKUPS,
      maxClearedRatio: e.SYNC_MAX_CLEARED_RATIO,
      rateShare: e.SYNC_RATE_SHARE,
      timeBudgetMs: e.SYNC_TIME_BUDGET ?? defaultTimeBudget(e.SYNC_SCHEDULE, e.SYNC_TIMEZONE),
      rejectedRetentionMs: e.RETENTION_REJECTED,
    },
    pii: { mode: e.PII_MODE, key: e.PII_KEY ?? null },
    retention: {
      activity: e.RETENTION_ACTIVITY ?? null,
      levels: e.RETENTION_LEVELS ?? null,
      identities: e.RETENTION_IDENTITIES ?? null,
      runs: e.RETENTION_RUNS ?? null,
    },
    highTargetMs: e.HIGH_TARGET,
    http: {
      host: e.HTTP_HOST,
      port: e.HTTP_PORT,
      token: e.HTTP_TOKEN ?? null,
      piiToken: e.HTTP_SHOW_IDENTITIES ? (e.HTTP_PII_TOKEN ?? null) : null,
      allowedHosts: e.HTTP_ALLOWED_HOSTS,
    },
    pingUrl: e.PING_URL ?? null,
    logLevel: e.LOG_LEVEL,
    secrets: secretsOf(values),
    dataFolder: dataFolder(source),
  });
}

function accountsOf(
  given: readonly string[],
  path: string | null,
  listed: readonly string[],
): Pick<Config['cloudflare'], 'accountIds' | 'accountsFrom'> {
  if (path !== null) return { accountIds: listed, accountsFrom: { kind: 'file', path } };
  if (given.includes(EVERY_ACCOUNT)) return { accountIds: [], accountsFrom: { kind: 'token' } };
  return { accountIds: given, accountsFrom: { kind: 'variable' } };
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

function readAuth(
  values: Record<string, string>,
  problems: string[],
  required: boolean,
): CloudflareAuth | null {
  const token = values['CLOUDFLARE_API_TOKEN'];
  const email = values['CLOUDFLARE_EMAIL'];
  const key = values['CLOUDFLARE_API_KEY'];
  for (const name of IN_HEADERS) {
    const value = values[name];
    if (value !== undefined && !HEADER_VALUE.test(value) && !QUOTED.test(value)) {
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

/** Settings of the dashboard that contradict each other. */
function accessProblems(values: Record<string, string>): string[] {
  const problems: string[] = [];
  const { HTTP_TOKEN: token, HTTP_PII_TOKEN: piiToken } = values;
  const isShown = values['HTTP_SHOW_IDENTITIES'] === '1';
  if (isShown && piiToken === undefined)
    problems.push(
      'HTTP_PII_TOKEN: must be set when HTTP_SHOW_IDENTITIES is 1: only who signs in with it sees emails and names',
    );
  if (!isShown && piiToken !== undefined)
    problems.push(
      'HTTP_SHOW_IDENTITIES: must be 1 when HTTP_PII_TOKEN is set. To hide emails and names, remove HTTP_PII_TOKEN',
    );
  if (piiToken !== undefined && piiToken === token)
    problems.push(
      'HTTP_PII_TOKEN: must differ from HTTP_TOKEN, because not everybody who reads the dashboard may see emails',
    );
  if (values['HTTP_ALLOWED_HOSTS'] !== undefined && token === undefined)
    problems.push(
      'HTTP_ALLOWED_HOSTS: needs HTTP_TOKEN. Without a token, the server answers only to names of this machine',
    );
  return problems;
}

function secretsOf(values: Record<string, string>): ReadonlySet<string> {
  const secrets: string[] = [];
  for (const name of SECRETS) if (values[name] !== undefined) secrets.push(values[name]);
  for (const name of ['DATABASE_URL', 'DATABASE_COPY_TO_URL'])
    if (values[name] !== undefined) secrets.push(...databaseUrlSecrets(values[name]));
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
