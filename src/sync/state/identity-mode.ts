// What is kept of the emails and names of an account. Before a run writes anything, its setting must equal the recorded
// one: otherwise a history would mix two settings by accident.
import { eq, sql } from 'drizzle-orm';
import { columnNames } from '../../db/sql/column-names.ts';
import type { Pool } from '../../db/pool.ts';
import { identityModes as m, userIdentities } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';
import type { PiiMode, PiiPolicy } from '../../pii-policy.ts';
import { fence, type Lease } from '../claim/lease.ts';

type Account = Pick<Lease, 'accountKey' | 'accountId'>;
type Wanted = Pick<PiiPolicy, 'mode' | 'keyId'>;
type Recorded = { mode: PiiMode; keyId: string | null; isApplied: boolean };

/**
 * Called by the holder of the lease. The first run of an account records its setting. Throws IDENTITY_MODE (exit 78) if
 * another one is recorded.
 */
export async function requireMode(pool: Pool, lease: Lease, wanted: Wanted): Promise<void> {
  await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    const recorded = (await recordedMode(tx, lease)) ?? (await recordMode(tx, lease, wanted));
    requireSame(lease, recorded, wanted);
  });
}

/** What a run of the account would find. Only reads, and throws what the run would throw. */
export async function lookAtMode(tx: Transaction, account: Account, wanted: Wanted): Promise<Recorded> {
  const recorded = (await recordedMode(tx, account)) ?? (await modeToRecord(tx, account, wanted));
  requireSame(account, recorded, wanted);
  return recorded;
}

/** The same inside a transaction. */
export async function checkMode(tx: Transaction, account: Account, wanted: Wanted): Promise<void> {
  const recorded = await recordedMode(tx, account);
  if (recorded !== null) requireSame(account, recorded, wanted);
}

/** The same. Until the transaction ends, no other session can change the mode. */
export async function holdMode(tx: Transaction, account: Account, wanted: Wanted): Promise<void> {
  const [row] = await tx.select().from(m).where(eq(m.account_key, account.accountKey)).for('share');
  if (row !== undefined) requireSame(account, recordedOf(row), wanted);
}

async function recordedMode(tx: Transaction, { accountKey }: Account): Promise<Recorded | null> {
  const [row] = await tx.select().from(m).where(eq(m.account_key, accountKey));
  return row === undefined ? null : recordedOf(row);
}

function recordedOf({ mode, key_id, is_applied }: typeof m.$inferSelect): Recorded {
  return { mode: mode as PiiMode, keyId: key_id, isApplied: is_applied };
}

/**
 * A history without a recorded mode is a copy, or was written by a version without modes: it holds emails and names in
 * full.
 */
async function modeToRecord(tx: Transaction, { accountKey }: Account, wanted: Wanted): Promise<Recorded> {
  const [one] = await tx
    .select({ account_key: userIdentities.account_key })
    .from(userIdentities)
    .where(eq(userIdentities.account_key, accountKey))
    .limit(1);
  const mode = one === undefined ? wanted.mode : 'full';
  return { mode, keyId: mode === 'pseudonymous' ? wanted.keyId : null, isApplied: true };
}

async function recordMode(tx: Transaction, lease: Lease, wanted: Wanted): Promise<Recorded> {
  await fence(tx, lease);
  const recorded = await modeToRecord(tx, lease, wanted);
  await tx.execute(sql`
    insert into ${m} (${columnNames(m.account_key, m.mode, m.key_id, m.is_applied)})
    values (${lease.accountKey}, ${recorded.mode}, ${recorded.keyId}, true)`);
  return recorded;
}

function requireSame({ accountId }: Account, { mode, keyId, isApplied }: Recorded, wanted: Wanted): void {
  if (!isApplied) throw otherMode(`Emails and names of account ${accountId} are being rewritten`);
  if (mode !== wanted.mode)
    throw otherMode(
      `Emails and names of account ${accountId} are kept with PII_MODE=${mode}, and PII_MODE is now ${wanted.mode}`,
    );
  if (keyId !== wanted.keyId)
    throw otherMode(
      `Emails and names of account ${accountId} are hashed with the key ${keyId}, and PII_KEY is now ${wanted.keyId}`,
    );
}

function otherMode(happened: string): OperatorError {
  return new OperatorError({
    code: 'IDENTITY_MODE',
    happened,
    means: 'A run would mix the two, so nothing was written',
    todo: 'Run `zt-risk-sync privacy apply` to change what is kept, or restore the setting',
  });
}
