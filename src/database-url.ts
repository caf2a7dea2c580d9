// Reads DATABASE_URL as the driver will read it, and says what is wrong with it. Never quotes the URL: it holds the
// password. A mistake that is missed here ends as a message about the wrong host, or as a defect.
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { printable } from './words.ts';

const FORM = 'must look like postgres://user:password@host:5432/database';
const ESCAPES =
  'In the user and the password, write % as %25, @ as %40, : as %3A, / as %2F, # as %23 and ? as %3F';

const TLS_SETTINGS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'];
const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** The longest path of a Unix socket, in bytes, on Linux. */
const LONGEST_SOCKET = 107;

/** What a person must fix. Null if there is nothing to fix. */
export function databaseUrlProblem(text: string): string | null {
  const form = problemOfForm(text);
  if (form !== null) return form;
  const url = parse(text) as URL;
  return problemOfNames(url.searchParams) ?? problemOfHost(url) ?? problemOfTls(url);
}

function problemOfForm(text: string): string | null {
  if (/^jdbc:/i.test(text))
    return `${FORM}. This is a URL for JDBC: remove jdbc: and put user and password before the host`;
  if (/^\w+ *= */.test(text)) return `${FORM}. The form key=value is not supported`;
  if (!/^postgres(ql)?:\/\//i.test(text)) return FORM;
  if (/\s/.test(text)) return 'holds a space. Write it as %20';
  if (text.includes('#')) return `holds a #, which ends a URL. ${ESCAPES}`;
  if (/%(?![0-9a-f]{2})/i.test(text)) return `holds a % that encodes nothing. ${ESCAPES}`;
  if (/:\[[^\]@]*\]@/.test(text)) return 'still has a placeholder in [ ] in the place of the password';
  const authority = text.slice(text.indexOf('//') + 2).split(/[/?]/, 1)[0] ?? '';
  if (authority.slice(authority.lastIndexOf('@') + 1).includes(',')) return 'names several hosts. Name one';
  const url = parse(text);
  if (url === null) return `cannot be read as a URL. ${ESCAPES}`;
  // A / or ? in the password ends the host early. The rest of the host is then part of the path.
  if (url.pathname.includes('@') || /^\?[^=&]*@/.test(url.search))
    return `has an @ behind the host. ${ESCAPES}`;
  try {
    for (const part of [url.username, url.password, url.hostname, url.pathname]) decodeURIComponent(part);
  } catch {
    return 'holds a % code that is not UTF-8 text';
  }
  return null;
}

/** If a setting is repeated, the driver takes the last one. It ignores unknown names. */
function problemOfNames(asked: URLSearchParams): string | null {
  const names = [...asked.keys()];
  if (new Set(names).size < names.length) return 'has the same setting twice behind the ?. Keep one';
  const odd = names.find((name) => !TLS_SETTINGS.includes(name) && TLS_SETTINGS.includes(name.toLowerCase()));
  return odd === undefined ? null : `has ${odd}, which must be written ${odd.toLowerCase()}`;
}

function problemOfHost(url: URL): string | null {
  const port = url.searchParams.get('port') || url.port;
  if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536))
    return 'has a port that is not a number from 1 to 65535';
  const host = hostOf(url);
  if (host.startsWith('/') && Buffer.byteLength(`${host}/.s.PGSQL.${port || 5432}`) > LONGEST_SOCKET)
    return `names a folder whose path is too long for a Unix socket. The limit is ${LONGEST_SOCKET} bytes`;
  return null;
}

function problemOfTls(url: URL): string | null {
  const asked = url.searchParams;
  const mode = asked.get('sslmode') ?? '';
  if (mode !== '' && !TLS_MODES.includes(mode))
    return `has an unknown sslmode. It is one of ${TLS_MODES.join(', ')}`;
  const ssl = asked.get('ssl') ?? '';
  if (!['', 'true', '1', '0', 'no-verify'].includes(ssl))
    return 'has an unknown value of ssl. Use sslmode instead';
  const negotiation = asked.get('sslnegotiation') ?? 'postgres';
  if (!['postgres', 'direct'].includes(negotiation))
    return 'has an unknown sslnegotiation. It is postgres or direct';
  if (mode === 'disable' && negotiation === 'direct')
    return 'has sslmode=disable and sslnegotiation=direct. Keep one';
  if (hostOf(url).startsWith('/') && wantsTls(asked))
    return 'asks for TLS on a Unix socket, which has none. Remove sslmode';
  if (mode === 'verify-ca' && asked.get('uselibpqcompat') === 'true' && !asked.get('sslrootcert'))
    return 'has sslmode=verify-ca with uselibpqcompat=true, but no sslrootcert. Add it, or use verify-full';
  return problemOfTlsFiles(asked);
}

/** The driver reads these files at each connection, with any sslmode. */
function problemOfTlsFiles(asked: URLSearchParams): string | null {
  const texts: Record<string, string> = {};
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) {
    const file = asked.get(name);
    if (!file) continue;
    try {
      texts[name] = readFileSync(file, 'utf8');
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
      return file === 'system'
        ? `has ${name}=system, which is not supported. Leave it out: Node's own list of authorities is used then`
        : `names a file in ${name} that cannot be read: ${printable(file)} (${why})`;
    }
    // Node ignores a list of authorities in which it finds none.
    if (!/-----BEGIN [A-Z ]+-----/.test(texts[name]))
      return `names a file in ${name} that is not in PEM format: ${printable(file)}`;
  }
  const { sslrootcert: ca, sslcert: cert, sslkey: key } = texts;
  try {
    createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
    return null;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return `names files in sslrootcert, sslcert or sslkey that cannot be used (${why}). A key must fit its certificate and have no password`;
  }
}

function wantsTls(asked: URLSearchParams): boolean {
  const [mode, ssl] = [asked.get('sslmode') ?? '', asked.get('ssl') ?? ''];
  return !['', 'disable'].includes(mode) || ['true', '1', 'no-verify'].includes(ssl);
}

/** The passwords in a URL, as written and decoded. */
export function databaseUrlSecrets(text: string): string[] {
  const url = parse(text);
  if (url === null) return [];
  const { password } = url;
  return [password, decoded(password), url.searchParams.get('password') ?? ''].filter((one) => one !== '');
}

/** Where the database is, for people: no user, no password. */
export function databasePlace(text: string): string {
  const url = parse(text);
  if (url === null) return '';
  const host = hostOf(url);
  const where = host.startsWith('/')
    ? host
    : url.searchParams.get('host') || (hasNoHost(text) ? 'localhost' : url.host);
  return `${where}${host.startsWith('/') ? ', database ' : '/'}${decoded(url.pathname.slice(1))}`;
}

/** Like the driver: the parameter has priority, and a path is the folder of a Unix socket. */
function hostOf(url: URL): string {
  return url.searchParams.get('host') || decoded(url.hostname);
}

/** `postgres://user:password@/database?host=/folder` has no host, and URL refuses it. */
function hasNoHost(text: string): boolean {
  return /^postgres(ql)?:\/\/([^/?#]*@)?\//i.test(text);
}

function parse(text: string): URL | null {
  return URL.parse(hasNoHost(text) ? text.replace('@/', '@localhost/') : text);
}

/** A text with a % that encodes nothing stays unchanged. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
