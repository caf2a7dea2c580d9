// What ends a request for a run before the run begins.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { requestSync, type SyncRequest } from '../../src/sync/request-sync.ts';
import { LEASE_TEST_TIMING, leasesOf, newAccount } from '../support/database/claimed-leases.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { TEST_SETTINGS } from '../support/settings.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const client = {
  summaryPage: () => assert.fail('no page was to be asked for'),
  lookUpUser: () => assert.fail('nobody was missing'),
};

// Longer than any test waits.
const TIMING = { ...LEASE_TEST_TIMING, pollMs: 600_000 };

/** `onLog` gets each message. */
function request(over: Partial<SyncRequest> & { accountId: string }, onLog = (_message: string) => {}) {
  const logger = createLogger({
    level: 'info',
    secrets: [],
    pretty: false,
    destination: { write: (line) => onLog((JSON.parse(line) as { message: string }).message) },
  });
  return requestSync(
    { pool: db.pool, client, logger, settings: TEST_SETTINGS, timing: TIMING },
    { trigger: 'cli', signal: new AbortController().signal, ...over },
  );
}

test('a snapshot of the future is refused before the account is claimed', async () => {
  const accountId = newAccount();
  const observedAt = new Date(Date.now() + 86_400_000);
  await assert.rejects(request({ accountId, observedAt }), { code: 'FUTURE_INSTANT' });
  assert.deepEqual(await db.rows('select from risk.accounts where account_id = $1', [accountId]), []);
});

test('a signal ends the wait for a silent run, whose lease stays', async () => {
  const accountId = newAccount();
  const leases = leasesOf(db);
  const silent = await leases.claimed(accountId);
  await leases.silence(silent, 20_000);
  const stop = new AbortController();
  const reason = new Error('interrupted');
  const messages: string[] = [];
  const waiting = request({ accountId, signal: stop.signal }, (message) => {
    messages.push(message);
    setImmediate(() => stop.abort(reason));
  });
  await assert.rejects(waiting, reason);
  assert.deepEqual(messages, ['waiting until a silent run moves or expires']);
  const [row] = await db.rows<{ owner: string }>(
    'select owner from risk_internal.leases where account_key = $1',
    [silent.accountKey],
  );
  assert.equal(row?.owner, silent.owner);
});
