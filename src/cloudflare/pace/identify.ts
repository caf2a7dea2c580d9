// Names credentials without revealing them. Processes with the same name share one request limit.
import { createHash } from 'node:crypto';
import type { CloudflareAuth } from '../credentials-in-use.ts';

/**
 * 64 hexadecimal digits. A plain hash is enough: a token or key is random and too long to be guessed. Email and key
 * together are one identity.
 */
export function identify(auth: CloudflareAuth, origin: string): string {
  const parts = auth.kind === 'token' ? ['token', auth.token] : ['key', auth.email, auth.key];
  return createHash('sha256')
    .update(JSON.stringify(['zt-risk-sync request budget', origin, ...parts]))
    .digest('hex');
}
