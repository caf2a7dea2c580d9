// Checks settings together: what a command needs, and settings that contradict each other. Reads the raw values, so
// that other problems do not hide these.
import { isLoopbackHost, isPrivateHost } from '../net/private-host.ts';
import { LOOPBACK } from './environment.ts';

/** What a command needs beyond the defaults. */
export type Need =
  | 'cloudflare'
  | 'accounts'
  | 'database'
  | 'guarded-http'
  /** It writes emails and names, or what is kept of them. */
  | 'pii';

type Values = Readonly<Record<string, string>>;
type Facts = {
  values: Values;
  needs: readonly Need[];
  hasAccountFile: boolean;
  /** Variables whose value could not be read: one problem is enough. */
  unreadable: ReadonlySet<string | undefined>;
};

/** 'cloudflare' is checked where the credentials are read (credentials.ts). */
export function crossCheck(facts: Facts): string[] {
  const { values, needs } = facts;
  const isFor = (need: Need, problemsOf: (facts: Facts) => string[]) =>
    needs.includes(need) ? problemsOf(facts) : [];
  return [
    ...isFor('accounts', missingAccounts),
    ...isFor('database', missingDatabase),
    ...isFor('guarded-http', unguardedHttp),
    ...isFor('pii', missingPiiKey),
    ...insecureBaseUrl(values),
  ];
}

function missingAccounts({ values, hasAccountFile }: Facts): string[] {
  if (values['CLOUDFLARE_ACCOUNT_ID'] !== undefined || hasAccountFile) return [];
  return [
    'No account: set CLOUDFLARE_ACCOUNT_ID (one account id, several separated by commas, or * for all that the token sees) or CLOUDFLARE_ACCOUNT_ID_FILE, or give --account',
  ];
}

function missingDatabase({ values }: Facts): string[] {
  if (values['DATABASE_URL'] !== undefined) return [];
  return [
    'DATABASE_URL: must be set when there is no terminal: otherwise the history would go to a disk that may be thrown away',
  ];
}

function missingPiiKey({ values, unreadable }: Facts): string[] {
  const isGiven =
    values['PII_KEY'] !== undefined || unreadable.has('PII_KEY') || unreadable.has('PII_KEY_FILE');
  if (values['PII_MODE'] !== 'pseudonymous' || isGiven) return [];
  return [
    'PII_KEY: must be set when PII_MODE is pseudonymous: emails and names are kept as hashes with this key. Make one with `openssl rand -base64 32`',
  ];
}

function unguardedHttp({ values }: Facts): string[] {
  const problems: string[] = [];
  const { HTTP_TOKEN: token, HTTP_PII_TOKEN: piiToken, HTTP_HOST: host = LOOPBACK } = values;
  const isShown = values['HTTP_SHOW_IDENTITIES'] === '1';
  if (token === undefined && !isLoopbackHost(host))
    problems.push(
      `HTTP_TOKEN: must be set when HTTP_HOST is ${host}: everybody who reaches it could read the metrics and start runs`,
    );
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

function insecureBaseUrl(values: Values): string[] {
  const url = URL.parse(values['CLOUDFLARE_BASE_URL'] ?? '');
  if (url === null || values['CLOUDFLARE_ALLOW_INSECURE'] === '1') return [];
  if (url.protocol !== 'http:' && !isPrivateHost(url.hostname)) return [];
  return [
    'CLOUDFLARE_BASE_URL: plain http and private addresses are refused, because the credentials would go there; set CLOUDFLARE_ALLOW_INSECURE=1 if this is intended',
  ];
}
