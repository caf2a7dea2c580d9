// Erasure, model-based: anything may happen to people and walks before and after an erasure. Every snapshot shows what
// the oracle says, trends do not change, and nothing of a forgotten person returns. ERASURE_SEQUENCES chooses how many
// sequences; `npm run test:long` runs 500.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { UserRisk } from '../../../src/user-risk.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import {
  eraseOf,
  everythingIn,
  rarePerson,
  type RarePerson,
} from '../../support/histories/erased-history.ts';
import { rebuild } from '../../support/oracle/assert-promises.ts';
import { createErasureOracle, type ErasureOracle } from '../../support/oracle/erasure-oracle.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import { wholeness } from '../../support/oracle/wholeness.ts';

const SEQUENCES = Number(process.env['ERASURE_SEQUENCES'] ?? 4);
/** What other sequences meet is random: see fast-check-seed.ts. */
const isRandom = process.env['FC_SEED'] !== undefined;
const PEOPLE = 8;

const who = fc.nat(PEOPLE - 1);
const where = fc.nat(1);
const act = fc.record({
  kind: fc.constant('act' as const),
  who,
  level: fc.constantFrom('low' as const, 'medium' as const, 'high' as const),
  events: fc.nat(50),
});
const step = fc.oneof(
  { weight: 4, arbitrary: act },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who, where }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('arrive' as const), who, where }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rename' as const), who }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('erase' as const),
      who,
      mode: fc.constantFrom('forget' as const, 'forget' as const, 'once' as const),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('sync' as const),
      where,
      /** A record of this person is rejected, and the person is in no other. */
      spoilt: fc.option(who, { nil: null, freq: 3 }),
      /** A record without a readable user, with the email and name of this person: the walk is partial. */
      stray: fc.option(who, { nil: null, freq: 4 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

type World = {
  people: RarePerson[];
  accounts: [ServedAccount, ServedAccount];
  oracle: ErasureOracle;
  tally: Record<string, number>;
};

async function take(world: World, one: Step): Promise<void> {
  const { people, accounts, oracle, tally } = world;
  tally[one.kind] = (tally[one.kind] ?? 0) + 1;
  const change = (values: Partial<UserRisk>) => {
    const person = people[(one as { who: number }).who]!;
    Object.assign(person, values);
    for (const account of accounts)
      account.people = account.people.map((user) => (user.user_id === person.user_id ? { ...person } : user));
  };
  switch (one.kind) {
    case 'act':
      return change({ max_risk_level: one.level, event_count: one.events });
    case 'rename': {
      const { texts } = people[one.who]!;
      const next = rarePerson();
      texts.push(...next.texts.slice(2));
      return change({ email: next.email, name: next.name });
    }
    case 'leave':
    case 'arrive': {
      const account = accounts[one.where]!;
      const person = people[one.who]!;
      account.people = account.people.filter(({ user_id }) => user_id !== person.user_id);
      if (one.kind === 'arrive') account.people.push({ ...person });
      return;
    }
    case 'erase': {
      const { user_id: userId } = people[one.who]!;
      const levels = await trends();
      const { person } = await eraseOf(db, userId, { mode: one.mode });
      if (!oracle.isForgotten(userId)) oracle.erase(userId, person.user_id, one.mode);
      assert.deepEqual(await trends(), levels, 'an erasure has changed a trend');
      return;
    }
    case 'sync':
      return syncAndCheck(world, one);
  }
}

const trends = () => db.rows('select * from risk.snapshot_levels order by 1, 2, 3');

async function syncAndCheck(
  { people, accounts, oracle, tally }: World,
  { where, spoilt, stray }: Extract<Step, { kind: 'sync' }>,
): Promise<void> {
  const account = accounts[where]!;
  const bad = spoilt === null ? undefined : people[spoilt];
  const served = account.people.filter(({ user_id }) => user_id !== bad?.user_id);
  const present = account.people.length;
  const beside = [
    ...(bad === undefined ? [] : [{ ...bad, max_risk_level: 'critical' }]),
    ...(stray === null ? [] : [{ email: people[stray]!.email, name: people[stray]!.name }]),
  ];
  // Half of the records or more would fail the run.
  if (served.length <= beside.length) return;
  const everybody = account.people;
  account.people = served;
  const result = await account.sync({ beside });
  account.people = everybody;
  assert.equal(result.error, null, `${result.error?.code} with ${present} people`);
  const { published } = result;
  assert.ok(published?.snapshotId != null);
  assert.equal(published.verdict, stray === null ? 'complete' : 'partial');
  const state = oracle.sync(account.id, served, stray === null, bad?.user_id);
  oracle.publish(account.id, published.snapshotId, state);
  tally['cleared'] = (tally['cleared'] ?? 0) + published.cleared;
  await assertSnapshot(oracle, `${account.id} ${published.snapshotId}`);
  // P5: an unchanged walk touches nothing.
  if (spoilt === null && stray === null && state.length === served.length) {
    const rows = await rowsOfHistory(db.pool, account.id);
    const again = await account.sync();
    assert.ok(again.published?.snapshotId != null);
    oracle.publish(account.id, again.published.snapshotId, oracle.sync(account.id, served, true));
    assert.deepEqual(await rowsOfHistory(db.pool, account.id), rows);
  }
}

async function assertSnapshot(oracle: ErasureOracle, key: string): Promise<void> {
  const byId = (a: UserRisk, b: UserRisk) => (a.user_id < b.user_id ? -1 : 1);
  const { accountId, snapshotId, state } = oracle.snapshots.get(key)!;
  assert.deepEqual(
    await rebuild(db.pool, snapshotId, accountId),
    state.map((user) => ({ ...user })).toSorted(byId),
    `snapshot ${snapshotId} of ${accountId}`,
  );
}

test('every snapshot shows what the oracle says, and nothing of a forgotten person comes back', async (t) => {
  const tally: Record<string, number> = {};
  const sequence = async (script: Step[]): Promise<void> => {
    const id = () => randomBytes(16).toString('hex');
    const world: World = {
      people: Array.from({ length: PEOPLE }, () => rarePerson()),
      accounts: [servedAccount(db.pool, 3, id()), servedAccount(db.pool, 3, id())],
      oracle: createErasureOracle(),
      tally,
    };
    for (const account of world.accounts)
      account.people.push(...world.people.slice(0, 6).map((one) => ({ ...one })));
    for (const one of script) await take(world, one);
    for (const where of [0, 1]) await syncAndCheck(world, { kind: 'sync', where, spoilt: null, stray: null });
    for (const key of world.oracle.snapshots.keys()) await assertSnapshot(world.oracle, key);
    for (const account of world.accounts) assert.deepEqual(await wholeness(db.pool, account.id), []);
    const found = await everythingIn(db);
    for (const person of world.people) {
      if (!world.oracle.isForgotten(person.user_id)) continue;
      tally['forgotten'] = (tally['forgotten'] ?? 0) + 1;
      for (const text of person.texts) assert.ok(!found.includes(text), `${text} is still there`);
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 24, size: 'max' }), sequence), {
    numRuns: SEQUENCES,
  });
  t.diagnostic(JSON.stringify(tally));
  if (!isRandom)
    for (const what of ['forgotten', 'cleared', 'erase'])
      assert.ok((tally[what] ?? 0) >= SEQUENCES / 2, what);
});
