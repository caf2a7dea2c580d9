// The simulator's answers about the credentials themselves. User tokens and account tokens are verified at different
// paths; the wrong path does not know a valid token.
import { failure, result, type SimulatedAnswer } from './answers.ts';
import type { JudgedCaller, Credentials } from './credentials.ts';

export type CredentialsRoute = { to: 'user_token' | 'member' } | { to: 'account_token'; accountId: string };

const ACCOUNT_TOKEN = /^\/client\/v4\/accounts\/([^/]+)\/tokens\/verify\/?$/;

/** Null if the path is not about credentials. */
export function credentialsRouteOf(path: string): CredentialsRoute | null {
  if (/^\/client\/v4\/user\/tokens\/verify\/?$/.test(path)) return { to: 'user_token' };
  if (/^\/client\/v4\/user\/?$/.test(path)) return { to: 'member' };
  const accountId = ACCOUNT_TOKEN.exec(path)?.[1];
  return accountId === undefined ? null : { to: 'account_token', accountId };
}

/** The caller must already be identified. */
export function aboutCredentials(
  route: CredentialsRoute,
  caller: JudgedCaller,
  known: Credentials,
): SimulatedAnswer {
  if (route.to === 'member') {
    // A token would need an extra permission for this path.
    if (caller.identity !== 'email') return failure(403, 9109, 'Unauthorized to access requested resource');
    return result({ id: '7c5dae5552338874e5053f2534d2767a', email: known.email, suspended: false });
  }
  if (caller.identity !== 'token') return failure(400, 1001, 'Missing "Authorization" header');
  const owner = known.tokenOwner ?? 'user';
  const isKnown =
    route.to === 'account_token'
      ? owner === 'account' && (known.accounts?.includes(route.accountId) ?? true)
      : owner === 'user';
  if (!isKnown) return failure(401, 1000, 'Invalid API Token');
  const status = known.tokenStatus ?? 'active';
  const expires = known.tokenExpires === undefined ? {} : { expires_on: known.tokenExpires.toISOString() };
  return result({ id: 'ed17574386854bf78a67040be0a770b0', status, ...expires });
}
