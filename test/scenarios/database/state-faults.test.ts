// The database changes between a run's state read and its publish: then nothing is written, and the next run is
// correct.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pool } from '../../../src/db/pool.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';

describe('a run of an account that is changed from outside', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const keyOf = async ({ id }: ServedAccount) =>
    (
      await db.rows<{ key: number }>('select account_key as key from risk.accounts where account_id = $1', [
        id,
      ])
    )[0]!.key;

  /** A copy of everything that a publish writes, to restore the state that a lost commit would leave. */
  async function keepState(pool: Pool, account: number): Promise<() => Promise<void>> {
    const tables = [
      'risk.users',
      'risk.user_identities',
      'risk.user_levels',
      'risk.user_activity',
      'risk.snapshot_levels',
      'risk.snapshots',
      'risk.sync_runs',
      'risk_internal.account_writers',
      'risk_internal.lookups',
    ];
    const clock = await pool.query<{ at: string }>(
      'select last_snapshot_id as at from risk_internal.feed_clock where account_key = 0',
    );
    const kept = await Promise.all(
      tables.map(async (table) => {
        const { rows } = await pool.query<{ rows: unknown }>(
          `select coalesce(jsonb_agg(t), '[]') as rows from ${table} t where account_key = ${account}`,
        );
        return JSON.stringify(rows[0]?.rows);
      }),
    );
    return async () => {
      const client = await pool.connect();
      try {
        await client.query('begin');
        for (const table of tables) await client.query(`delete from ${table} where account_key = ${account}`);
        for (const [n, table] of [...tables.entries()].toReversed())
          await client.query(
            `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
            [kept[n]],
          );
        await client.query(`update risk_internal.feed_clock set last_snapshot_id = ${clock.rows[0]?.at}`);
        await client.query('commit');
      } finally {
        client.release();
      }
    };
  }

  function change(people: ServedAccount['people']): void {
    people[3] = { ...people[3]!, max_risk_level: 'high', event_count: 77 };
    people[4] = { ...people[4]!, name: 'Somebody Else' };
    people.splice(10, 2);
  }

  for (const when of ['walked', 'asked', 'copied'] as const)
    test(`a failover loses the newest commit before the run has ${when}: STATE_MOVED, and the next run is correct`, async () => {
      const account = servedAccount(db.pool, 60);
      await account.succeed();
      const loseCommit = await keepState(db.pool, await keyOf(account));
      change(account.people);
      account.people.push(personOf(account.id, 1_000));
      const lost = await account.succeed();

      account.people[20] = { ...account.people[20]!, event_count: 1_234 };
      account.people.push(personOf(account.id, 1_001));
      await account.fail('STATE_MOVED', 75, {
        failpoint: async (name) => void (name === when && (await loseCommit())),
      });
      const next = await account.succeed();
      // The failed run took the value of the lost snapshot.
      assert.equal(
        next.snapshotId,
        (lost.snapshotId ?? 0) + 1,
        'the clock went on from where it had been set back to',
      );
      assert.deepEqual([next.appeared, next.cleared], [2, 2]);
      await account.succeed();
    });

  test('a failover that loses the very first commit leaves an account that is loaded again', async () => {
    const account = servedAccount(db.pool, 40);
    // A dry run adds the account.
    await account.sync({ dryRun: true });
    const loseCommit = await keepState(db.pool, await keyOf(account));
    await account.succeed();
    await account.fail('STATE_MOVED', 75, {
      failpoint: async (name) => void (name === 'walked' && (await loseCommit())),
    });
    assert.equal((await account.succeed()).appeared, 40);
  });

  const HAND: [what: string, sql: (account: number) => string][] = [
    [
      'the level of a user who changes',
      (a) => `update risk.users set max_risk_level = 'medium' where account_key = ${a} and user_id = $1`,
    ],
    [
      'the deletion of a user who changes',
      (a) => `delete from risk.users where account_key = ${a} and user_id = $1`,
    ],
    [
      'the clearing of a user who changes',
      (a) =>
        `update risk.users set max_risk_level = null, cleared_at = now(), level_since = null where account_key = ${a} and user_id = $1`,
    ],
    [
      'the deletion of a level period that ends',
      (a) =>
        `delete from risk.user_levels l using risk.users u where l.account_key = ${a} and u.account_key = ${a} and l.user_key = u.user_key and u.user_id = $1`,
    ],
    [
      'the end of an identity that changes',
      (a) =>
        `update risk.user_identities i set valid_to = now() from risk.users u where i.account_key = ${a} and u.account_key = ${a} and i.user_key = u.user_key and u.user_id = $1`,
    ],
    [
      'another level in the open period',
      (a) =>
        `update risk.user_levels l set max_risk_level = 'medium' from risk.users u where l.account_key = ${a} and u.account_key = ${a} and l.user_key = u.user_key and u.user_id = $1`,
    ],
    [
      'a row with the next key',
      (
        a,
      ) => `insert into risk.users select account_key, 31, gen_random_uuid(), max_risk_level, event_count, last_event, level_since, identity_since,
         first_seen_at, absent_since, cleared_at, snapshot_id from risk.users where account_key = ${a} and user_id = $1`,
    ],
    [
      'a feed value taken by upkeep',
      (a) =>
        `update risk_internal.account_writers set last_snapshot_id = last_snapshot_id + 1 where account_key = ${a} and $1 <> ''`,
    ],
    [
      'the account’s row in account_writers gone',
      (a) => `delete from risk_internal.account_writers where account_key = ${a} and $1 <> ''`,
    ],
  ];
  for (const [what, sql] of HAND)
    test(`${what}, by hand, between state read and publish: STATE_MOVED, and nothing is written`, async () => {
      const account = servedAccount(db.pool, 30);
      await account.succeed();
      const key = await keyOf(account);
      const touched = account.people[9]!;
      assert.equal(touched.max_risk_level, 'low');
      account.people[9] = { ...touched, max_risk_level: 'high', event_count: 5_000, name: 'Other Name' };
      account.people.push(personOf(account.id, 500));
      let before: unknown;
      await account.fail('STATE_MOVED', 75, {
        async failpoint(name) {
          if (name !== 'asked') return;
          await db.pool.query(sql(key), [touched.user_id]);
          before = await contents(db, key);
        },
      });
      assert.deepEqual(await contents(db, key), before);
      const left = await db.rows('select 1 from risk_internal.staged_changes');
      assert.equal(left.length, 0);
    });

  test('a missing user who was deleted by hand meanwhile: STATE_MOVED', async () => {
    const account = servedAccount(db.pool, 30);
    await account.succeed();
    const [gone] = account.people.splice(5, 1);
    await account.fail('STATE_MOVED', 75, {
      failpoint: async (name) =>
        void (
          name === 'walked' &&
          (await db.pool.query('delete from risk.users where user_id = $1', [gone!.user_id]))
        ),
    });
  });

  test('a manual change of a user who does not change is found by the next run: STATE_BROKEN', async () => {
    const account = servedAccount(db.pool, 30);
    await account.succeed();
    const key = await keyOf(account);
    account.people[9] = { ...account.people[9]!, event_count: 5_000 };
    const { error } = await account.sync({
      failpoint: async (name) =>
        void (
          name === 'asked' &&
          (await db.pool.query(
            `update risk.users set max_risk_level = 'high' where account_key = ${key} and user_id = $1`,
            [account.people[12]!.user_id],
          ))
        ),
    });
    assert.equal(error, null);
    await account.fail('STATE_BROKEN', 1);
  });

  test('infinity as a last event, set by hand, is a change when the user is met, and no error when not', async () => {
    const account = servedAccount(db.pool, 30);
    await account.succeed();
    const key = await keyOf(account);
    for (const [n, instant] of [
      [3, 'infinity'],
      [4, '-infinity'],
      [5, 'infinity'],
    ] as const) {
      const user = [instant, account.people[n]!.user_id];
      await db.pool.query(
        `with u as (update risk.users set last_event = $1 where account_key = ${key} and user_id = $2 returning user_key)
         update risk.user_activity a set last_event = $1 from u where account_key = ${key} and a.user_key = u.user_key`,
        user,
      );
    }
    const [gone] = account.people.splice(5, 1);
    const { raised, lowered, cleared } = await account.succeed();
    assert.deepEqual([raised, lowered, cleared], [0, 0, 1]);
    account.people.push(gone!);
    assert.equal((await account.succeed()).returned, 1);
  });

  test('the highest key is never given again after its user is erased', async () => {
    const account = servedAccount(db.pool, 25);
    await account.succeed();
    const key = await keyOf(account);
    const highest = async () =>
      (
        await db.rows<{ key: number }>(
          `select max(user_key) as key from risk.users where account_key = ${key}`,
        )
      )[0]!.key;
    const last = await highest();
    assert.equal(last, 25);
    // As an erasure does it: delete the rows, adjust the counts, and take a feed value that belongs to no snapshot.
    const [erased] = await db.rows<{ user_id: string; level: string; events: number }>(
      `select user_id, max_risk_level as level, event_count as events from risk.users where account_key = ${key} and user_key = ${last}`,
    );
    for (const table of ['users', 'user_levels', 'user_identities', 'user_activity'])
      await db.pool.query(`delete from risk.${table} where account_key = ${key} and user_key = ${last}`);
    await db.pool.query(`
      update risk.snapshot_levels set user_count = user_count - 1, event_count = event_count - ${erased!.events}
       where account_key = ${key} and max_risk_level = '${erased!.level}';
      update risk.snapshots set user_count = user_count - 1, met_count = met_count - 1, event_count = event_count - ${erased!.events} where account_key = ${key};
      update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1;
      update risk_internal.account_writers set last_snapshot_id = (select last_snapshot_id from risk_internal.feed_clock) where account_key = ${key}`);
    account.people.splice(
      account.people.findIndex((user) => user.user_id === erased!.user_id),
      1,
    );
    account.people.push(personOf(account.id, 700));
    assert.equal((await account.succeed()).appeared, 1);
    assert.equal(await highest(), last + 1);
    // The erased user returns as a user whom the history does not know.
    account.people.push({ ...personOf(account.id, 0), user_id: erased!.user_id });
    assert.equal((await account.succeed()).appeared, 1);
    assert.equal(await highest(), last + 2);
  });
});

/** The contents of the rows. A rolled back lock changes xmax, which means nothing here. */
async function contents({ pool }: MigratedDatabase, account: number): Promise<unknown> {
  const tables = ['users', 'user_identities', 'user_levels', 'user_activity', 'snapshots', 'snapshot_levels'];
  const digests = tables.map(
    (table) =>
      `select '${table}' as table, md5(string_agg(t::text, ',' order by t::text)) as rows from risk.${table} t where account_key = ${account}`,
  );
  return (await pool.query(digests.join(' union all '))).rows;
}
