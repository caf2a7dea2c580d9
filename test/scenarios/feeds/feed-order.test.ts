// P4 for the tables that every kind of writer stamps: runs and accounts. Held locks enforce each order of writers, so
// that nothing here depends on chance. A distributed history promises P4 for each account, so there the publish and the
// other writers belong to one account.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { OperatorError } from '../../../src/errors.ts';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { publish } from '../../../src/sync/publish/publish.ts';
import { recordFailure } from '../../../src/sync/record-run.ts';
import { labelAccount, restoreAccount, retireAccount } from '../../../src/upkeep/accounts.ts';
import { CITUS_URL } from '../../support/database/distributed-database.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';
import { claimAccount, claimRequest } from '../../support/database/claimed-leases.ts';
import { emptyFacts, lookAt } from '../../support/world/publish-request.ts';

const FAILED = new OperatorError({ code: 'NETWORK', happened: 'a', means: 'b', todo: 'c' });

let db: MigratedDatabase;
let pool: MigratedDatabase['pool'];
before(async () => {
  db = await migratedDatabase();
  pool = testPool(db.url, 12);
});
after(async () => {
  await pool.end();
  await db.close();
});

const idOf = () => randomBytes(16).toString('hex');
const claim = (accountId: string) => claimLease(pool, claimRequest(accountId));

const IS_DISTRIBUTED = CITUS_URL !== '';

/** Everything that writes a run or an account without a snapshot. */
const ALL_WRITERS: {
  name: string;
  /** Whether it may write while the same account publishes. */
  besideOwnPublish?: true;
  prepare: (lease: Lease) => Promise<unknown>;
  write: (lease: Lease) => Promise<unknown>;
}[] = [
  {
    name: 'a failed run',
    prepare: async () => undefined,
    write: (lease) => recordFailure(pool, lease, emptyFacts(), FAILED, false),
  },
  {
    name: 'an abandoned run',
    prepare: (lease) =>
      db.rows(
        `update risk_internal.leases set heartbeat_at = now() - interval '1 hour' where account_key = $1`,
        [lease.accountKey],
      ),
    write: (lease) => claim(lease.accountId),
  },
  {
    name: 'a label',
    besideOwnPublish: true,
    prepare: async () => undefined,
    write: (lease) => labelAccount(pool, lease.accountId, 'Berlin'),
  },
  {
    name: 'a retirement',
    besideOwnPublish: true,
    prepare: async () => undefined,
    write: (lease) => retireAccount(pool, lease.accountId),
  },
  {
    name: 'a restoration',
    besideOwnPublish: true,
    prepare: (lease) => retireAccount(pool, lease.accountId),
    write: (lease) => restoreAccount(pool, lease.accountId),
  },
  { name: 'a new account', prepare: async () => undefined, write: () => claim(idOf()) },
];
const WRITERS = IS_DISTRIBUTED ? ALL_WRITERS.filter((writer) => writer.besideOwnPublish) : ALL_WRITERS;

const accountBeside = async (publisher: Lease): Promise<Lease> =>
  IS_DISTRIBUTED ? publisher : claimAccount(pool);

/** Of all accounts that have the clock of this one. */
const stamps = async ({ accountKey }: Lease) => {
  const mine = `risk_internal.feed_clock_key(account_key) = risk_internal.feed_clock_key(${accountKey})`;
  const [row] = await db.rows<{ runs: string[]; accounts: string[]; clock: string }>(`select
    array(select feed_id::text from risk.sync_runs where ${mine} order by feed_id) as runs,
    array(select feed_id::text from risk.accounts where ${mine} order by feed_id) as accounts,
    (select last_snapshot_id::text from risk_internal.feed_clock
      where account_key = risk_internal.feed_clock_key(${accountKey})) as clock`);
  assert.ok(row !== undefined);
  return row;
};

const onlyDistributed = IS_DISTRIBUTED ? false : 'one PostgreSQL has one clock for all accounts';
test('a publish of another account does not wait', { skip: onlyDistributed }, async () => {
  const [first, second] = [await claimAccount(pool), await claimAccount(pool)];
  const requests = await Promise.all(
    [first, second].map(async (lease) => (await lookAt(pool, lease)).request()),
  );
  await publish(pool, requests[0]!, {
    async failpoint(name) {
      if (name === 'publishing') await publish(pool, requests[1]!);
    },
  });
});

describe('a reader that remembers the highest feed_id', () => {
  test('misses no writer that had to wait for a publish, and sees no such writer before the publish ends', async () => {
    const publisher = await claimAccount(pool);
    const request = await (await lookAt(pool, publisher)).request();
    const leases = await Promise.all(WRITERS.map(() => accountBeside(publisher)));
    for (const [n, { prepare }] of WRITERS.entries()) await prepare(leases[n]!);
    const reader = createWatermarkReader(db.pool);
    await reader.poll();
    const before = await stamps(publisher);
    const [writing, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const publishing = publish(pool, request, {
      async failpoint(name) {
        if (name !== 'publishing') return;
        writing.resolve();
        await mayEnd.promise;
      },
    });
    await writing.promise;
    const writers = WRITERS.map(({ write }, n) => write(leases[n]!));
    await untilLockWaiters(db.pool, WRITERS.length);
    await reader.poll();
    assert.deepEqual(await stamps(publisher), before, 'nobody has overtaken the publish');
    mayEnd.resolve();
    const { snapshotId } = await reader.pollDuring(
      Promise.all([publishing, ...writers]).then(([published]) => published),
    );
    await reader.verify();
    const now = await stamps(publisher);
    const fresh = [...now.runs, ...now.accounts].map(Number).filter((value) => value > Number(before.clock));
    const values = Array.from({ length: WRITERS.length + 1 }, (_, n) => Number(before.clock) + 1 + n);
    assert.equal(Number(now.clock), values.at(-1), 'each writer has a value of its own');
    // Of the writers to one account, the row shows the last one that changed it.
    if (IS_DISTRIBUTED) assert.ok(fresh.length === 2 && fresh.every((value) => values.includes(value)));
    else
      assert.deepEqual(
        fresh.toSorted((a, b) => a - b),
        values,
      );
    const [run] = await db.rows('select feed_id::float8 as id from risk.sync_runs where snapshot_id = $1', [
      snapshotId,
    ]);
    assert.deepEqual(run, { id: snapshotId });
  });

  for (const { name, prepare, write } of WRITERS) {
    test(`does not miss ${name} that has its value and commits late: a publish waits for it`, async () => {
      const publisher = await claimAccount(pool);
      const request = await (await lookAt(pool, publisher)).request();
      const lease = await accountBeside(publisher);
      await prepare(lease);
      const reader = createWatermarkReader(db.pool);
      await reader.poll();
      const holder = await db.pool.connect();
      try {
        await holder.query('begin');
        // A new account waits for the table. The others wait for the account's row, which the key of a run refers to.
        if (name === 'a new account') await holder.query('lock table risk.accounts in share mode');
        else
          await holder.query(`select from risk.accounts where account_key = ${lease.accountKey} for update`);
        const writing = write(lease);
        await untilLockWaiters(db.pool);
        const publishing = publish(pool, request);
        await untilLockWaiters(db.pool, 2);
        await reader.poll();
        await holder.query('commit');
        await reader.pollDuring(Promise.all([writing, publishing]));
      } finally {
        holder.release();
      }
      await reader.verify();
    });
  }
});
