// Publishes that are refused, cut off and retried: the same changes under the same keys, once or not at all.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import { onOnePostgres } from '../../support/database/distributed-database.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { personOf, servedAccount } from '../../support/api/served-account.ts';

/** 100 in `npm run test:long`. */
const CUTS = Number(process.env['TEST_CUTS'] ?? 6);

describe('a publish', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const skip = onOnePostgres('a distributed table has no triggers');
  test(
    'that the server refuses four times sends the same bytes and the same keys five times',
    { skip },
    async (t) => {
      const account = servedAccount(db.pool, 2_500);
      await account.succeed();
      // A sequence keeps the counts of a rolled back transaction.
      await db.pool.query(`
      create sequence public.attempts;
      create sequence public.digests minvalue 0 start 0;
      create function public.note_attempt() returns trigger language plpgsql as $$
      declare digest bigint;
      begin
        select ('x' || substr(md5(string_agg(f::text, ',' order by user_id)), 1, 12))::bit(48)::bigint into digest from fresh f;
        if nextval('public.attempts') = 1 then perform setval('public.digests', digest);
        elsif (select last_value from public.digests) <> digest then perform setval('public.digests', 0);
        end if;
        return null;
      end $$;
      create trigger note_attempt after insert on risk_internal.staged_changes referencing new table as fresh
        for each statement execute function public.note_attempt();
      create function public.refuse() returns trigger language plpgsql as $$ begin
        if (select last_value from public.attempts) < 5 then raise exception 'injected' using errcode = '40001'; end if;
        return null;
      end $$;
      create trigger refuse after insert on risk.snapshots for each statement execute function public.refuse()`);
      t.after(() =>
        db.pool.query(`
        drop trigger note_attempt on risk_internal.staged_changes; drop trigger refuse on risk.snapshots;
        drop function public.note_attempt(); drop function public.refuse(); drop sequence public.attempts; drop sequence public.digests`),
      );
      const attempts = async () =>
        Number((await db.rows<{ n: string }>('select last_value as n from public.attempts'))[0]!.n);
      const digest = async () =>
        Number((await db.rows<{ n: string }>('select last_value as n from public.digests'))[0]!.n);

      for (let n = 0; n < 500; n++)
        account.people[n] = { ...account.people[n]!, name: `Renamed ${n}`, event_count: 41 };
      account.people.splice(1_000, 40);
      account.people.push(personOf(account.id, 9_000), personOf(account.id, 9_001));
      const { appeared, cleared } = await account.succeed();
      assert.deepEqual([appeared, cleared], [2, 40]);
      assert.equal(await attempts(), 5);
      assert.notEqual(await digest(), 0, 'an attempt sent different bytes');
      const [keys] = await db.rows<{ highest: number; last: number }>(
        `select max(user_key) as highest, max(last_user_key) as last from risk.users
         join risk_internal.account_writers using (account_key) join risk.accounts using (account_key) where account_id = $1`,
        [account.id],
      );
      assert.deepEqual(keys, { highest: 2_502, last: 2_502 }, 'an attempt used up keys');
    },
  );

  test('with a connection that is cut after any byte is exact, and published once', async (t) => {
    const proxy = await startFaultProxy(db.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const account = servedAccount(db.pool, 1_200);
    await account.succeed();
    let [cuts, turn, published] = [0, 0, 1];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(9_999),
        fc.constantFrom('to server', 'to server', 'to server', 'to client'),
        async (place, direction) => {
          turn++;
          account.people = account.people.map((user, n) => ({
            ...user,
            name: `Name ${n} of turn ${turn}`,
            event_count: (user.event_count + 1) % 1_000,
          }));
          account.people.splice(turn, 1);
          account.people.push(personOf(account.id, 10_000 + turn));
          const before = proxy.cuts();
          // 150 kB of changes, and some kilobytes of statements. The server sends little back.
          const bytes = direction === 'to server' ? 170_000 : 1_500;
          await account.succeed({
            pool,
            failpoint: async (name) => {
              if (name === 'asked') proxy.cutAfter(Math.floor((place / 10_000) * bytes), direction);
            },
          });
          published++;
          cuts += proxy.cuts() - before;
          await proxy.heal();
          const [found] = await db.rows<{ snapshots: number }>(
            `select count(*)::integer as snapshots from risk.snapshots join risk.accounts using (account_key) where account_id = $1`,
            [account.id],
          );
          assert.equal(found?.snapshots, published, `cut ${direction} at ${place}`);
        },
      ),
      { numRuns: CUTS, endOnFailure: true },
    );
    t.diagnostic(`${cuts} of ${CUTS} were cut off`);
    assert.ok(cuts > CUTS / 2);
  });

  test('after a state read with a connection that is cut after any byte is exact', async (t) => {
    const proxy = await startFaultProxy(db.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const account = servedAccount(db.pool, 3_000);
    await account.succeed();
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(9_999), async (place) => {
        turn++;
        account.people = account.people.map((user, n) =>
          n % 10 === turn % 10 ? { ...user, name: `Name ${n} of turn ${turn}`, event_count: turn } : user,
        );
        // The state is 330 kB, and nothing else that the server sends back is large.
        await account.succeed({
          pool,
          failpoint: async (name) => {
            if (name === 'claimed') proxy.cutAfter(Math.floor((place / 10_000) * 330_000), 'to client');
          },
        });
        await proxy.heal();
      }),
      { numRuns: CUTS, endOnFailure: true },
    );
    t.diagnostic(`${proxy.cuts()} of ${CUTS} were cut off`);
    assert.ok(proxy.cuts() > CUTS / 2);
  });

  test('of a first load that is cut off in its COPY is exact, and gives every key once', async (t) => {
    const proxy = await startFaultProxy(db.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const account = servedAccount(db.pool, 6_000);
    let copies = 0;
    await account.succeed({
      pool,
      // In the second chunk of the first attempt.
      failpoint: async (name) =>
        void (name === 'copying' && ++copies === 2 && proxy.cutAfter(100_000, 'to server')),
    });
    assert.equal(proxy.cuts(), 1);
    const [keys] = await db.rows<{ highest: number; last: number }>(
      `select max(user_key) as highest, max(last_user_key) as last from risk.users
         join risk_internal.account_writers using (account_key) join risk.accounts using (account_key) where account_id = $1`,
      [account.id],
    );
    assert.deepEqual(keys, { highest: 6_000, last: 6_000 });
  });
});
