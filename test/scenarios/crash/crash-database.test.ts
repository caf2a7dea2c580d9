// The connection of a run breaks at COMMIT, or the users in the database change under it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pool } from '../../../src/db/pool.ts';
import { startCutProxy, type CutProxy } from '../../support/faults/cut-proxy.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import { dyingRuns, type DyingRuns } from '../../support/world/dying-runs.ts';

let runs: DyingRuns;
before(async () => {
  runs = await dyingRuns();
});
after(() => runs.close());

describe('a run whose connection breaks at COMMIT', () => {
  let proxy: CutProxy;
  let cut: Pool;
  before(async () => {
    proxy = await startCutProxy(runs.db.url, 700);
    cut = testPool(proxy.url);
  });
  after(async () => {
    await cut.end();
    await proxy.close();
  });

  for (const phase of ['the claim', 'publish'] as const) {
    for (const [when, title] of [
      ['before', 'before the server has received it'],
      ['after', 'and the reply is lost'],
      ['late', 'and it arrives later'],
    ] as const) {
      test(`of ${phase}, ${title}: one success, one snapshot`, async (t) => {
        const accountId = runs.newAccount();
        await runs.succeed(t, accountId);
        runs.aDayLater();
        const before = proxy.cuts();
        const failpoints: string[] = [];
        if (phase === 'the claim') proxy.arm(when);
        const snapshotId = await runs.succeed(t, accountId, {
          pool: cut,
          async failpoint(name) {
            failpoints.push(name);
            if (name === 'walked' && phase === 'publish') proxy.arm(when);
          },
        });
        assert.equal(proxy.cuts() - before, 1);
        // A publish may run its transaction more than once, and the state is read in parallel with the walk.
        const often = ['reading', 'copying', 'copied', 'publishing'];
        for (const name of often) assert.ok(failpoints.includes(name), name);
        const once = failpoints.filter((name) => !often.includes(name));
        assert.deepEqual(once, ['claimed', 'walked', 'asked', 'published']);
        assert.deepEqual(await runs.runsOf(accountId), ['succeeded', 'succeeded']);
        const snapshots = await runs.snapshotsOf(accountId);
        assert.equal(snapshots.length, 2);
        assert.equal(snapshots.at(-1)?.id, snapshotId);
        await runs.assertSnapshot(accountId, snapshotId, runs.now());
        await runs.assertConsistent(accountId);
        await runs.assertNothingLeft(accountId);
      });
    }
  }

  test('of publish, and once more when it asks for the outcome: one snapshot', async (t) => {
    const accountId = runs.newAccount();
    const snapshotId = await runs.succeed(t, accountId, {
      pool: cut,
      failpoint: async (name) => void (name === 'walked' && proxy.arm('before', 2)),
    });
    assert.deepEqual(
      (await runs.snapshotsOf(accountId)).map(({ id }) => id),
      [snapshotId],
    );
    await runs.assertNothingLeft(accountId);
  });

  test('of a dry run: nothing is published, and the dry run succeeds', async (t) => {
    for (const when of ['before', 'after'] as const) {
      const accountId = runs.newAccount();
      const first = await runs.succeed(t, accountId);
      runs.aDayLater();
      const { error, published } = await runs.sync(t, accountId, {
        pool: cut,
        failpoint: async (name) => void (name === 'walked' && proxy.arm(when)),
        dryRun: true,
      });
      assert.deepEqual([error, published?.snapshotId], [null, null]);
      assert.deepEqual(
        (await runs.snapshotsOf(accountId)).map(({ id }) => id),
        [first],
      );
    }
  });
});

const account = `account_key = (select account_key from risk.accounts where account_id = $1)`;

test('another writer changes the users before the publish: STATE_MOVED, nothing is published, and the next run succeeds', async (t) => {
  const accountId = runs.newAccount();
  const yesterday = runs.now();
  const first = await runs.succeed(t, accountId);
  runs.aDayLater();
  const result = await runs.sync(t, accountId, {
    async failpoint(name) {
      // As an erasure does it: with a value of the feed clock.
      if (name === 'walked')
        await runs.db.pool.query(
          `with tick as (update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1 returning last_snapshot_id)
           update risk_internal.account_writers w set last_snapshot_id = tick.last_snapshot_id from tick where ${account}`,
          [accountId],
        );
    },
  });
  assert.deepEqual([result.error?.code, result.error?.exit, result.published], ['STATE_MOVED', 75, null]);
  assert.equal((await runs.snapshotsOf(accountId)).length, 1);
  await runs.assertSnapshot(accountId, first, yesterday);
  await runs.assertConsistent(accountId);
  await runs.assertNothingLeft(accountId);
  await runs.assertSnapshot(accountId, await runs.succeed(t, accountId), runs.now());
  assert.deepEqual(await runs.runsOf(accountId), ['succeeded', 'failed STATE_MOVED', 'succeeded']);
});

for (const [what, lose] of [
  ['every user', `delete from risk.users where ${account}`],
  ['one user who has changed', `delete from risk.users where ${account} and user_id = $2`],
] as const) {
  test(`Postgres lost ${what} before the publish: STATE_MOVED; each later run says what is broken, and succeeds once the row is back`, async (t) => {
    const accountId = runs.newAccount();
    const yesterday = runs.now();
    const before = new Map(runs.truth(yesterday).map((user) => [user.user_id, user.event_count]));
    const first = await runs.succeed(t, accountId);
    runs.aDayLater();
    const changed = runs
      .truth(runs.now())
      .find((user) => before.has(user.user_id) && before.get(user.user_id) !== user.event_count);
    assert.ok(changed);
    await runs.db.pool.query(
      `create table public.kept as select * from risk.users where ${account}`.replace('$1', `'${accountId}'`),
    );
    const result = await runs.sync(t, accountId, {
      async failpoint(name) {
        if (name !== 'walked') return;
        const { rowCount } = await runs.db.pool.query(
          lose,
          lose.includes('$2') ? [accountId, changed.user_id] : [accountId],
        );
        assert.ok(rowCount);
      },
    });
    assert.deepEqual([result.error?.code, result.error?.exit, result.published], ['STATE_MOVED', 75, null]);
    const again = await runs.sync(t, accountId);
    assert.deepEqual([again.error?.code, again.error?.exit, again.published], ['STATE_BROKEN', 1, null]);
    assert.match(again.error?.message ?? '', /doctor/);
    assert.equal((await runs.snapshotsOf(accountId)).length, 1);
    await runs.db.pool.query(
      'insert into risk.users select * from public.kept on conflict do nothing; drop table public.kept',
    );
    await runs.assertSnapshot(accountId, first, yesterday);
    await runs.assertConsistent(accountId);
    await runs.assertNothingLeft(accountId);
    await runs.assertSnapshot(accountId, await runs.succeed(t, accountId), runs.now());
    assert.deepEqual(await runs.runsOf(accountId), [
      'succeeded',
      'failed STATE_MOVED',
      'failed STATE_BROKEN',
      'succeeded',
    ]);
  });
}
