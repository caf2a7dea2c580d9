// The identities of missing users, as the history holds them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keepAll } from '../../../src/pii-policy.ts';
import { readIdentities } from '../../../src/sync/absence/held-identities.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { claimAccount } from '../../support/world/publish-request.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

test('every user has the current identity, and a user without one is a broken state that names how many', async () => {
  const lease = await claimAccount(db.pool);
  const history = sampleHistory(db.pool);
  const [from, until] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
  const period = { account_key: lease.accountKey, valid_from: from };
  await history.identities([
    { ...period, user_key: 1, email: 'old@example.com', name: null, valid_to: until },
    { ...period, user_key: 1, email: 'ada@example.com', name: 'Ada', valid_from: until },
    { ...period, user_key: 2, email: 'gone@example.com', name: null, valid_to: until },
  ]);
  const missing = (row: number, userKey: number) => ({ row, userKey, completeWalks: 0, absentTwice: false });
  assert.deepEqual(
    await readIdentities(db.pool, lease, [missing(7, 1)], keepAll),
    new Map([[7, { email: 'ada@example.com', name: 'Ada', isUnknown: false }]]),
  );
  await assert.rejects(
    readIdentities(db.pool, lease, [missing(7, 1), missing(8, 2), missing(9, 3)], keepAll),
    {
      code: 'STATE_BROKEN',
      message: /^2 users of account/,
    },
  );
});
