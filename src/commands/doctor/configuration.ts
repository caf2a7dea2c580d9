// Checks the settings, and warns of probable mistakes. Prints no value.
import { readFileSync, statSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readConfig, type Config } from '../../config.ts';
import { Environment, SECRETS } from '../../settings/environment.ts';
import { ACCOUNT_FILE, type Source } from '../../settings/variables.ts';
import { isOperatorError } from '../../errors.ts';
import { failedWith, merged, warning, type Line } from './lines.ts';
import { plural } from '../../words.ts';

export type Configured = {
  line: Line;
  /** The settings that can still be used: without credentials, the database can be checked. Null: none. */
  config: Config | null;
};

/** `offline`: Cloudflare is not asked, and missing credentials are no failure. */
export function checkConfiguration(
  source: Source,
  options: { offline: boolean; accountGiven: boolean },
): Configured {
  const needs = options.accountGiven
    ? (['cloudflare', 'pii'] as const)
    : (['cloudflare', 'pii', 'accounts'] as const);
  try {
    const config = readConfig(source, options.offline ? ['pii'] : needs);
    return { line: merged('configuration', describe(config), oddities(source, config)), config };
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    return { line: failedWith('configuration', error), config: usable(source) };
  }
}

function usable(source: Source): Config | null {
  try {
    return readConfig(source);
  } catch {
    return null;
  }
}

function describe({ cloudflare, databaseUrl, sync }: Config): string {
  const credentials =
    cloudflare.auth === null
      ? 'no credentials'
      : cloudflare.auth.kind === 'token'
        ? 'API token'
        : 'email and Global API Key';
  return [
    credentials,
    cloudflare.accountsFrom.kind === 'token'
      ? 'all accounts that the token sees'
      : plural(cloudflare.accountIds.length, 'account'),
    databaseUrl === null ? 'embedded database' : 'DATABASE_URL',
    `schedule ${sync.schedule} (${sync.timezone})`,
  ].join(', ');
}

/** Settings that work, but are probably a mistake. */
function oddities(source: Source, config: Config): Line[] {
  const found: Line[] = [];
  const add = (text: string, mend: string) => void found.push(warning('configuration', text, mend));
  const file = readEnvFile(source);
  const unknown = [
    ...Object.keys(file.values).filter((name) => /^(CLOUDFLARE|SYNC|DATABASE|PII|RETENTION)_/.test(name)),
    // Without DATABASE_, because other programs share the environment.
    ...Object.keys(source.env).filter((name) => /^(CLOUDFLARE|SYNC|PII|RETENTION)_/.test(name)),
  ].filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) {
    add(
      `unknown settings: ${[...new Set(unknown)].toSorted().join(', ')}`,
      'Compare the names with .env.example, or remove them',
    );
  }
  const shadowed = Object.entries(file.values)
    .filter(([name, value]) => KNOWN.has(name) && value !== '' && isOther(source.env[name], value))
    .map(([name]) => name);
  if (shadowed.length > 0) {
    add(
      `set in .env and with another value in the environment, which wins: ${shadowed.join(', ')}`,
      'Keep one of them',
    );
  }
  if (file.isPublic && Object.keys(file.values).some((name) => SECRET_NAMES.has(name))) {
    add('.env holds a secret and can be read by every user of this machine', 'chmod 600 .env');
  }
  if (config.cloudflare.auth === null) {
    add('no credentials: `sync` cannot run here', 'Set CLOUDFLARE_API_TOKEN where syncs run');
  }
  return found;
}

const SECRET_NAMES = new Set<string>(SECRETS);
const KNOWN = new Set([
  ...Object.keys(Environment.shape),
  ...SECRETS.map((name) => `${name}_FILE`),
  ACCOUNT_FILE,
]);

function isOther(set: string | undefined, value: string | undefined): boolean {
  return set !== undefined && set !== '' && set !== value;
}

function readEnvFile(source: Source): { values: Record<string, string | undefined>; isPublic: boolean } {
  try {
    if (source.envFile === null) return { values: {}, isPublic: false };
    const values = parseEnv(readFileSync(source.envFile, 'utf8'));
    // Windows has no such bits, and reports every file as readable by all users.
    const isPublic = process.platform !== 'win32' && (statSync(source.envFile).mode & 0o004) !== 0;
    return { values, isPublic };
  } catch {
    // The file does not exist: an unreadable file has already failed the configuration.
    return { values: {}, isPublic: false };
  }
}
