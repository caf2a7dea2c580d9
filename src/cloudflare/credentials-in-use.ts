// The credentials that requests are sent with, and how they are renewed after the API has refused them.
import { isDeepStrictEqual } from 'node:util';
import { VERSION } from '../version.ts';

export type CloudflareAuth = { kind: 'token'; token: string } | { kind: 'key'; email: string; key: string };

export type CredentialsInUse = {
  current(): CloudflareAuth;
  /** These must not appear in any text. Grows when the credentials are renewed. */
  secrets: ReadonlySet<string>;
  /**
   * Returns whether there are credentials other than the `refused` ones. New ones are in `secrets` before they are
   * used.
   */
  renew(refused: CloudflareAuth): boolean;
};

export function createCredentials(
  auth: CloudflareAuth,
  reread: (() => CloudflareAuth | null) | undefined,
): CredentialsInUse {
  let current = auth;
  const secrets = new Set(secretsOf(auth));
  return {
    current: () => current,
    secrets,
    renew(refused) {
      const fresh = reread?.() ?? null;
      if (fresh === null || isDeepStrictEqual(fresh, refused)) return false;
      for (const secret of secretsOf(fresh)) secrets.add(secret);
      current = fresh;
      return true;
    },
  };
}

function secretsOf(auth: CloudflareAuth): string[] {
  return auth.kind === 'token' ? [auth.token] : [auth.key, auth.email];
}

export function headersOf(auth: CloudflareAuth): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': `zt-risk-sync/${VERSION}`,
    ...(auth.kind === 'token'
      ? { authorization: `Bearer ${auth.token}` }
      : { 'x-auth-email': auth.email, 'x-auth-key': auth.key }),
  };
}
