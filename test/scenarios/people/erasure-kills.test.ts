// An erasure is killed at any point. Accounts that are done stay done, runs in between bring nothing back, and the same
// command finishes the rest.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { EraseMode } from '../../../src/upkeep/erase/erased-person.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { childScript, type ChildScript } from '../../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import {
  eraseOf,
  everythingIn,
  rarePerson,
  type RarePerson,
} from '../../support/histories/erased-history.ts';
import { wholeness } from '../../support/oracle/wholeness.ts';
import type { EraseChild } from '../../support/children/erase-child.ts';

type Point = readonly [name: 'begun' | 'read' | 'erasing' | 'committed' | 'erased' | 'swept', nth: number];
/** Three accounts, and two of them know the person: five steps. */
const POINTS: readonly Point[] = [
  ['begun', 1],
  ['erasing', 4],
  ['committed', 5],
  ['swept', 1],
];

describe('an erasure that ends half way', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let child: ChildScript;
  before(async () => {
    child = await childScript('children/erase-child.ts');
  });
  after(() => child.close());
  beforeEach(async () => {
    db = await migratedDatabase();
  });
  afterEach(() => db.close());

  async function world(): Promise<{ person: RarePerson; accounts: ServedAccount[] }> {
    const person = rarePerson();
    const accounts = [4, 5, 6].map((users) => servedAccount(db.pool, users));
    accounts[0]!.people.push({ ...person });
    accounts[2]!.people.push({ ...person, email: person.email!.replace('@', '.work@') });
    for (const one of accounts) await one.succeed();
    for (const one of accounts)
      await one.sync({ beside: [{ about: person.name }, { ...person, event_count: -1 }] });
    return { person, accounts };
  }

  async function finishes({ person, accounts }: Awaited<ReturnType<typeof world>>, mode: EraseMode) {
    // A person who was erased once would come back as a new user.
    for (const one of accounts)
      assert.equal((await one.sync({ beside: [{ ...person, event_count: -2 }] })).error, null);
    const [unfinished] = await db.rows<{ user_id: string }>(
      'select user_id from risk_internal.erased_people where finished_at is null',
    );
    const { person: erased } = await eraseOf(db, person.user_id, { mode });
    assert.equal(erased.user_id, unfinished?.user_id, 'the same id goes on');
    const found = await everythingIn(db);
    for (const text of person.texts) assert.ok(!found.includes(text), text);
    for (const one of accounts) assert.deepEqual(await wholeness(db.pool, one.id), []);
    const rows = await db.rows<{ mode: string; hashed: boolean; accounts: number }>(
      `select mode, user_hash is not null as hashed, account_count as accounts
         from risk_internal.erased_people where user_id = $1`,
      [erased.user_id],
    );
    assert.deepEqual(rows, [{ mode, hashed: mode === 'forget', accounts: 2 }]);
  }

  for (const [index, [name, nth]] of POINTS.entries())
    test(`at "${name}" (${nth}) is finished by the same command, and no run in between brings anything back`, async () => {
      const mode: EraseMode = index % 2 === 0 ? 'forget' : 'once';
      const here = await world();
      let met = 0;
      const dies = new Error('it died here');
      await assert.rejects(
        eraseOf(db, here.person.user_id, {
          mode,
          failpoint: async (at) => {
            if (at === name && ++met === nth) throw dies;
          },
        }),
        dies,
      );
      await finishes(here, mode);
    });

  test('by kill -9 inside a transaction leaves no lease, and is finished by the same command', async () => {
    const here = await world();
    const { user_id: userId } = here.person;
    const argument: EraseChild = { databaseUrl: db.url, userId, mode: 'forget', stopIn: 4 };
    const killed = child.start(argument);
    await killed.line('stopped');
    killed.kill('SIGKILL');
    await killed.ended;
    await finishes(here, 'forget');
  });
});
