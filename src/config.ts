// The configuration, read once from the variables. All problems are reported at once. The only file that reads
// process.env.
import { homedir } from 'node:os';
import { readAccountFile } from './account-file.ts';
import type { CloudflareAuth } from './cloudflare/credentials-in-use.ts';
import { OperatorError } from './errors.ts';
import type { PiiMode } from './pii-policy.ts';
import type { Retention } from './retention.ts';
import { readAuth, secretFileOf } from './settings/credentials.ts';
import { crossCheck, type Need } from './settings/cross-checks.ts';
import { Environment, EVERY_ACCOUNT } from './settings/environment.ts';
import { secretsOf } from './settings/secrets.ts';
import { ACCOUNT_FILE, collect, variables, type Source } from './settings/variables.ts';
import { defaultTimeBudget } from './time/schedule.ts';

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
  problems.push(...crossCheck({ values, needs, hasAccountFile: listed !== null, unreadable }));
  if (!parsed.success || problems.length > 0) throw refused(problems);
  const e = parsed.data;
  return deepFreeze({
    ...settingsOf(e),
    cloudflare: {
      auth,
      secretFile: secretFileOf(auth, files),
      ...accountsOf(e.CLOUDFLARE_ACCOUNT_ID, accountFile, listed?.ids ?? []),
      baseUrl: e.CLOUDFLARE_BASE_URL,
      proxy: proxyOf(e),
    },
    secrets: secretsOf(values),
    dataFolder: dataFolder(source),
  });
}

function refused(problems: readonly string[]): OperatorError {
  return new OperatorError({
    code: 'CONFIGURATION',
    happened: `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    means: 'Nothing was started',
    todo: 'Set the variables in the environment or in .env; .env.example explains each',
  });
}

/** The settings that are one variable each. */
function settingsOf(e: Environment): Omit<Config, 'cloudflare' | 'secrets' | 'dataFolder'> {
  return {
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
  };
}

function proxyOf(e: Environment): Config['cloudflare']['proxy'] {
  return {
    ...(e.HTTPS_PROXY === undefined ? {} : { httpsProxy: e.HTTPS_PROXY }),
    ...(e.HTTP_PROXY === undefined ? {} : { httpProxy: e.HTTP_PROXY }),
    ...(e.NO_PROXY === undefined ? {} : { noProxy: e.NO_PROXY }),
  };
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

/** Needed by `database` and `demo`, which read no other setting. */
export function dataFolder(source: Source): Config['dataFolder'] {
  const dataHome = source.env['XDG_DATA_HOME']?.trim();
  return { home: homedir(), ...(dataHome === undefined || dataHome === '' ? {} : { dataHome }) };
}

/** Never throws: a defect is explained also where the configuration cannot be read. */
export function wantsStackTraces(source: Source): boolean {
  return ['debug', 'trace'].includes(variables(source, [])['LOG_LEVEL'] ?? '');
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null && !(part instanceof URL)) deepFreeze(part);
  }
  return Object.freeze(value);
}
