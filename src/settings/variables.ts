// Collects the values of the variables: the environment, `.env` and `*_FILE`. Checks only whether each can be read.
import { lstatSync, readFileSync } from 'node:fs';
import { readEnvFile } from './env-file.ts';
import { Environment, SECRETS } from './environment.ts';

/** Deployments mount the file of every secret, even of optional ones. */
const MAY_BE_EMPTY: readonly string[] = ['PING_URL', 'HTTP_PII_TOKEN', 'PII_KEY'];

export const ACCOUNT_FILE = 'CLOUDFLARE_ACCOUNT_ID_FILE';

export type Source = {
  env: Readonly<Record<string, string | undefined>>;
  /** Path of a `.env` file. It is read if it exists. Null: none (the demo). */
  envFile: string | null;
};

/**
 * The variables that are set. The environment has priority over `.env`, and `_FILE` forms are resolved. An empty
 * variable counts as unset.
 */
export function collect(
  source: Source,
  problems: string[],
): {
  values: Record<string, string>;
  files: Partial<Record<(typeof SECRETS)[number], string>>;
  /** CLOUDFLARE_ACCOUNT_ID_FILE. Null if it is not set. It is a list, and not a secret. */
  accountFile: string | null;
} {
  const all = variables(source, problems);
  const values: Record<string, string> = {};
  for (const name of Object.keys(Environment.shape)) {
    // Proxy variables are often written in lower case.
    const value = all[name] || (name.endsWith('_PROXY') ? all[name.toLowerCase()] : undefined);
    if (value) values[name] = value;
    noteOddity(name, value ?? '', problems);
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
      else if (!MAY_BE_EMPTY.includes(name)) problems.push(`${name}_FILE: the file is empty`);
      noteOddity(name, text, problems);
      files[name] = path;
    } catch (error) {
      problems.push(`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  }
  const accountFile = all[ACCOUNT_FILE] ?? null;
  if (accountFile !== null && values['CLOUDFLARE_ACCOUNT_ID'] !== undefined)
    problems.push(`CLOUDFLARE_ACCOUNT_ID: set both directly and as ${ACCOUNT_FILE}; keep one`);
  return { values, files, accountFile };
}

/** Leading and trailing blanks and line breaks are cut from every value, so that each use sees the same text. */
export function variables(source: Source, problems: string[]): Record<string, string | undefined> {
  const all: Record<string, string | undefined> = {};
  const fromFile = source.envFile === null ? {} : envFileValues(source.envFile, problems);
  for (const [name, value] of [...Object.entries(fromFile), ...Object.entries(source.env)])
    if (value !== undefined && value.trim() !== '') all[name] = value.trim();
  return all;
}

function envFileValues(file: string, problems: string[]): Record<string, string> {
  try {
    // Only a file that does not exist counts as none. A file that cannot be read may hold DATABASE_URL.
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
  const own = name.endsWith('_proxy') ? name.toUpperCase() : name.replace(/_FILE$/, '');
  return Object.hasOwn(Environment.shape, own);
}

// Inside a value, such a character is a mistake of copy and paste, or of a file's encoding. Some are invisible.
const UNREADABLE = /[\p{Cc}\p{Cf}\ufffd]/u;
// Docker keeps the quotation marks of an --env-file.
export const QUOTED = /^["'`\u2018\u201c].*["'`\u2019\u201d]$/s;

/** One problem at most. Values for headers are checked more strictly. */
function noteOddity(name: string, value: string, problems: string[]): void {
  if (QUOTED.test(value)) problems.push(`${name}: has quotation marks around the value. Remove them`);
  else if (UNREADABLE.test(value) && !IN_HEADERS.includes(name))
    problems.push(
      `${name}: holds a line break, another control or invisible character, or text that is not UTF-8`,
    );
}

export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

// A header value cannot hold any other character, and a pasted line break is the usual mistake.
export const HEADER_VALUE = /^[\x21-\x7e]+$/;
export const IN_HEADERS = ['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_EMAIL', 'CLOUDFLARE_API_KEY'];
