// Checks that PII_MODE and PII_KEY are those with which the emails and names of an account are kept.
import type { Config } from '../../config.ts';
import type { Pool } from '../../db/pool.ts';
import { isOperatorError } from '../../errors.ts';
import { createPiiPolicy, type PiiMode } from '../../pii-policy.ts';
import { lookAtMode } from '../../sync/state/identity-mode.ts';
import { checkInDatabase } from './database.ts';
import { failedWith, ok, skipped, type Line } from './lines.ts';

export async function checkIdentities(
  pool: Pool,
  account: { accountKey: number; accountId: string },
  { mode, key }: Config['pii'],
): Promise<Line> {
  if (mode === 'pseudonymous' && key === null)
    return skipped('identities', 'PII_KEY is missing: see configuration');
  const wanted = createPiiPolicy(mode, key);
  return checkInDatabase(pool, 'identities', 'risk_internal.identity_modes', async (tx) => {
    try {
      const { mode: kept, keyId } = await lookAtMode(tx, account, wanted);
      return ok('identities', KEPT[kept](keyId));
    } catch (error) {
      if (!isOperatorError(error)) throw error;
      return failedWith('identities', error);
    }
  });
}

const KEPT: Readonly<Record<PiiMode, (keyId: string | null) => string>> = {
  full: () => 'emails and names are kept as served',
  pseudonymous: (keyId) => `emails and names are kept as hashes with the key ${keyId}`,
  none: () => 'no email and no name is kept',
};
