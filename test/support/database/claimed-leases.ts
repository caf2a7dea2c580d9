// Leases of a database, as runs claim, keep and lose them.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { Pool } from '../../../src/db/pool.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import { LEASE_TIMING, releaseLease, type Lease } from '../../../src/sync/claim/lease.ts';
import { type MigratedDatabase } from './migrated-database.ts';

// Silence is written into the lease, so that no test waits for it, and no slow machine can bring it.
export const LEASE_TEST_TIMING = { heartbeatMs: 5_000, leaseMs: 30_000, pollMs: 20, graceMs: 1_000 };

let accounts = 0;
export const newAccount = () => `account-${++accounts}`;

type ClaimRequest = Parameters<typeof claimLease>[1];

/** As a run claims that a person has started. */
export function claimRequest(accountId: string, over: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    accountId,
    owner: randomUUID(),
    trigger: 'cli',
    scheduledFor: null,
    identity: { host: 'here', process: '' },
    timing: LEASE_TIMING,
    ...over,
  };
}

/** The account is new, unless it is named. */
export async function claimAccount(pool: Pool, accountId = randomBytes(16).toString('hex')): Promise<Lease> {
  const claim = await claimLease(pool, claimRequest(accountId));
  assert.ok(claim.kind === 'claimed', 'the account is held');
  return claim.lease;
}

export function leasesOf(db: MigratedDatabase) {
  const claim = (accountId: string, over: Partial<ClaimRequest> = {}, pool = db.pool) =>
    claimLease(pool, claimRequest(accountId, { timing: LEASE_TEST_TIMING, ...over }));
  return {
    claim,
    async claimed(...args: Parameters<typeof claim>): Promise<Lease> {
      const result = await claim(...args);
      assert.equal(result.kind, 'claimed');
      return result.lease;
    },
    runs: (accountId: string) =>
      db.rows<{ run_id: string; status: string; error_code: string | null; host: string }>(
        `select run_id, status, error_code, host from risk.sync_runs join risk.accounts using (account_key)
          where account_id = $1 order by run_id`,
        [accountId],
      ),
    silence: (lease: Lease, ms: number) =>
      db.rows(
        `update risk_internal.leases set heartbeat_at = now() - $2 * interval '1 millisecond' where account_key = $1`,
        [lease.accountKey, ms],
      ),
    release: (lease: Lease) => inTransaction(db.pool, DEFAULT_LIMITS, (tx) => releaseLease(tx, lease)),
  };
}
