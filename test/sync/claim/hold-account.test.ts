// Upkeep holds an account inside one transaction: no run can claim the account in between, and nothing is left of it
// afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { processIdentity } from '../../../src/host/process-identity.ts';
import { addAccount } from '../../../src/sync/claim/account-row.ts';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import { whileHeld } from '../../../src/sync/claim/hold-account.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const claim = (accountId: string) =>
  claimLease(db.pool, {
    accountId,
    owner: '00000000-0000-4000-8000-000000000001',
    trigger: 'cli',
    scheduledFor: null,
    identity: processIdentity(),
    timing: LEASE_TIMING,
  });

async function keyOf(accountId: string): Promise<number> {
  await addAccount(db.pool, { accountId });
  const [row] = await db.rows<{ key: number }>(
    `select account_key as key from risk.accounts where account_id = '${accountId}'`,
  );
  return row!.key;
}

test('a claim during the transaction waits for its end, and then gets the account', async () => {
  const accountKey = await keyOf('held');
  let claimed = false;
  let claiming: Promise<unknown> | undefined;
  await inTransaction(db.pool, DEFAULT_LIMITS, (tx) =>
    whileHeld(tx, { accountKey, timing: LEASE_TIMING }, async () => {
      claiming = claim('held').then(({ kind }) => (claimed = kind === 'claimed'));
      await untilLockWaiters(db.pool);
      assert.equal(claimed, false);
    }),
  );
  await claiming;
  assert.equal(claimed, true);
});

test('a run that is under way keeps the account, and its lease is not touched', async () => {
  const accountKey = await keyOf('busy');
  await claim('busy');
  const lease = await db.rows(`select * from risk_internal.leases where account_key = ${accountKey}`);
  const held = await inTransaction(db.pool, DEFAULT_LIMITS, (tx) =>
    whileHeld(tx, { accountKey, timing: LEASE_TIMING }, () => assert.fail('it was held')),
  );
  assert.ok('holder' in held);
  assert.deepEqual(
    await db.rows(`select * from risk_internal.leases where account_key = ${accountKey}`),
    lease,
  );
});

test('the lease of a dead run does not stop upkeep, and stays for the next claim to record', async () => {
  const accountKey = await keyOf('dead');
  await claim('dead');
  await db.pool.query(
    `update risk_internal.leases set heartbeat_at = now() - interval '1 hour', process = '' where account_key = ${accountKey}`,
  );
  const held = await inTransaction(db.pool, DEFAULT_LIMITS, (tx) =>
    whileHeld(tx, { accountKey, timing: LEASE_TIMING }, () => Promise.resolve('done')),
  );
  assert.deepEqual(held, { done: 'done' });
  assert.equal(
    (await db.rows(`select 1 from risk_internal.leases where account_key = ${accountKey}`)).length,
    1,
  );
});
