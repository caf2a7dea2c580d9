// Reads the credentials for the API from the settings. There must be one complete way to authenticate, and its values
// must fit into a header.
import type { CloudflareAuth } from '../cloudflare/credentials-in-use.ts';
import { scrubbable } from './secrets.ts';
import { HEADER_VALUE, IN_HEADERS, QUOTED, readSecretFile } from './variables.ts';

type Values = Readonly<Record<string, string>>;

/** Null: none are set. With `required`, that is a problem. */
export function readAuth(values: Values, problems: string[], required: boolean): CloudflareAuth | null {
  problems.push(...unreadableInHeaders(values));
  const token = values['CLOUDFLARE_API_TOKEN'];
  const email = values['CLOUDFLARE_EMAIL'];
  const key = values['CLOUDFLARE_API_KEY'];
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

function unreadableInHeaders(values: Values): string[] {
  return IN_HEADERS.filter((name) => {
    const value = values[name];
    return value !== undefined && !HEADER_VALUE.test(value) && !QUOTED.test(value);
  }).map((name) => `${name}: holds a space, a line break or a character outside ASCII`);
}

/** The file that the token or the key came from; null when it was set directly. */
export function secretFileOf(
  auth: CloudflareAuth | null,
  files: Readonly<Partial<Record<string, string>>>,
): string | null {
  if (auth === null) return null;
  return files[auth.kind === 'token' ? 'CLOUDFLARE_API_TOKEN' : 'CLOUDFLARE_API_KEY'] ?? null;
}

/**
 * Reads the credentials from their file again, and adds them to `secrets`. Null when they did not come from a file, or
 * when the file holds nothing that could be a credential. Reads no other setting again.
 */
export function rereadAuth({
  cloudflare: { auth, secretFile },
  secrets,
}: {
  cloudflare: { auth: CloudflareAuth | null; secretFile: string | null };
  secrets: ReadonlySet<string>;
}): CloudflareAuth | null {
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
