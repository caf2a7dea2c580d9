// Checks whether the credentials are valid, and of which kind. The best proof is a page of the summary that could be
// read: the endpoints about tokens are documented, but unproven.
import type { TokenState } from '../../cloudflare/endpoints/credentials.ts';
import type { CloudflareAuth } from '../../cloudflare/credentials-in-use.ts';
import type { ErrorCode, OperatorError } from '../../errors.ts';
import type { AccountProbe } from './summary.ts';
import type { Asker } from './asker.ts';
import { failedAs, failedWith, ok, skipped, warning, type Line } from './lines.ts';
import { duration } from '../../words.ts';

export async function checkCredentials(
  asker: Asker,
  auth: CloudflareAuth,
  probes: readonly AccountProbe[],
): Promise<Line> {
  if (probes.some(({ isUnreachable }) => isUnreachable))
    return skipped('credentials', 'Cloudflare could not be asked: see account');
  const isAccepted = probes.some(({ page }) => page !== null);
  return auth.kind === 'key' ? checkKey(asker, isAccepted) : checkToken(asker, isAccepted, probes);
}

async function checkKey(asker: Asker, isAccepted: boolean): Promise<Line> {
  const asked = await asker.ask((client, common) => client.verifyKey(common));
  if ('error' in asked) return judgeRefusals([asked.error], isAccepted, 'email and Global API Key');
  if (!asked.value.suspended) return ok('credentials', 'email and Global API Key, accepted');
  return failedAs(
    'credentials',
    'AUTHENTICATION_FAILED',
    'the member with this email and key is suspended',
    'Use an API token, or the key of another member',
  );
}

/** Asks about a user's token first. A token that belongs to an account is known only at the account's endpoint. */
async function checkToken(asker: Asker, isAccepted: boolean, probes: readonly AccountProbe[]): Promise<Line> {
  const refusals: OperatorError[] = [];
  // If a token can read any summary, it can read the one of the account that owns the token.
  const readable = probes.filter(({ page }) => page !== null);
  const owners = (readable.length > 0 ? readable : probes).slice(0, MOST_OWNERS);
  for (const accountId of [null, ...owners.map((probe) => probe.accountId)]) {
    const asked = await asker.ask((client, common) => client.verifyToken({ accountId, ...common }));
    if ('value' in asked) return judgeToken(asked.value, accountId === null ? 'user' : 'account', Date.now());
    refusals.push(asked.error);
    if (!REFUSALS.has(asked.error.code)) break;
  }
  return judgeRefusals(refusals, isAccepted, 'API token');
}

const MOST_OWNERS = 3;

/** Codes that may only mean that the token is of the wrong kind for this endpoint. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'AUTHENTICATION_FAILED',
  'PERMISSION_DENIED',
  'ENDPOINT_NOT_FOUND',
  'ACCOUNT_NOT_FOUND',
  'REQUEST_REFUSED',
]);

export function judgeRefusals(errors: readonly OperatorError[], isAccepted: boolean, kind: string): Line {
  if (isAccepted)
    return ok('credentials', `${kind}, accepted by the risk summary; Cloudflare gives no details`);
  const other = errors.find(({ code }) => !REFUSALS.has(code));
  if (other !== undefined) return failedWith('credentials', other);
  if (errors.every(({ code }) => code === 'ENDPOINT_NOT_FOUND' || code === 'ACCOUNT_NOT_FOUND'))
    return skipped(
      'credentials',
      `${kind}: this API has no endpoint about credentials; only the summary shows whether they work`,
    );
  return failedAs(
    'credentials',
    'AUTHENTICATION_FAILED',
    `Cloudflare does not know this ${kind}`,
    kind === 'API token'
      ? 'Check whether CLOUDFLARE_API_TOKEN is mistyped, or was rolled or deleted; make one with the permission Zero Trust: PII Read'
      : 'Check whether CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY are mistyped, or belong to different members',
  );
}

const SOON_MS = 14 * 86_400_000;

export function judgeToken(state: TokenState, owner: 'user' | 'account', now: number): Line {
  const kind = owner === 'user' ? 'API token of a user' : 'API token of the account';
  const renew =
    'Roll it, or make another one with the permission Zero Trust: PII Read, and set CLOUDFLARE_API_TOKEN';
  const expires = state.expiresOn === null ? null : Date.parse(state.expiresOn);
  const begins = state.notBefore === null ? null : Date.parse(state.notBefore);
  const on = (at: number) => new Date(at).toISOString().slice(0, 10);
  if (state.status === 'expired' || (expires !== null && expires <= now)) {
    const when = expires === null ? '' : ` on ${on(expires)}`;
    return failedAs('credentials', 'AUTHENTICATION_FAILED', `${kind}, expired${when}`, renew);
  }
  if (state.status === 'disabled')
    return failedAs('credentials', 'AUTHENTICATION_FAILED', `${kind}, disabled`, `Enable it. ${renew}`);
  if (begins !== null && begins > now)
    return failedAs(
      'credentials',
      'AUTHENTICATION_FAILED',
      `${kind}, not valid before ${on(begins)}`,
      'Wait until then, or make another one',
    );
  if (state.status !== 'active')
    return warning('credentials', `${kind}, in an unknown state: ${state.status}`, renew);
  if (expires === null) return ok('credentials', `${kind}, active, never expires`);
  const found = `${kind}, active, expires on ${on(expires)} (in ${duration(expires - now)})`;
  return expires - now > SOON_MS ? ok('credentials', found) : warning('credentials', found, renew);
}
