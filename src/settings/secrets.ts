// Finds the secret parts of the settings. Their values are removed from all output.
import { databaseUrlSecrets } from '../database-url.ts';
import { SECRETS } from './environment.ts';

export function secretsOf(values: Readonly<Record<string, string>>): ReadonlySet<string> {
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
export function scrubbable(secrets: readonly string[]): string[] {
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
