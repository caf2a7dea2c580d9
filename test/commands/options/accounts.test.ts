// Which accounts sync, serve and doctor work on: CLOUDFLARE_ACCOUNT_ID, narrowed by ids or labels.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  accountIdOf,
  chooseAccounts,
  newAccountIdOf,
  readLabels,
} from '../../../src/commands/options/accounts.ts';
import { readConfig } from '../../../src/config.ts';
import { databaseError } from '../../../src/db/database-errors.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { createTestDatabase } from '../../support/database/test-database.ts';

const [ONE, TWO, THREE] = ['1', '2', '3'].map((digit) => digit.repeat(32)) as [string, string, string];
const KNOWN = [
  { account_id: ONE, label: 'Head office' },
  { account_id: THREE, label: 'Elsewhere' },
];

let asked = 0;
function choose(configured: string, ...wanted: string[]) {
  const config = readConfig({ env: { CLOUDFLARE_ACCOUNT_ID: configured }, envFile: null });
  asked = 0;
  return chooseAccounts(config, wanted, async () => {
    asked++;
    return KNOWN;
  });
}

test('without --account, all configured accounts are chosen', async () => {
  assert.deepEqual(await choose(`${ONE},${TWO}`), [ONE, TWO]);
});

test('configured ids are chosen without asking the database', async () => {
  assert.deepEqual(await choose(`${ONE},${TWO}`, TWO, TWO), [TWO]);
  assert.deepEqual(await choose('', TWO), [TWO]);
  assert.equal(asked, 0);
});

test('an id in capitals chooses the account of the same id in small letters', async () => {
  const id = 'ab'.repeat(16);
  assert.deepEqual(await choose(`${id},${TWO}`, id.toUpperCase()), [id]);
  assert.deepEqual(await choose('', id.toUpperCase(), id), [id]);
  assert.equal(asked, 0);
});

test('a configured account can be chosen by the label that the history knows', async () => {
  assert.deepEqual(await choose(`${ONE},${TWO}`, 'head office', TWO), [ONE, TWO]);
  assert.deepEqual(await choose('', 'Elsewhere', TWO), [THREE, TWO]);
});

test('an account that is not configured is refused, and the message repeats it and names the configured ones', async () => {
  for (const wanted of ['Elsewhere', THREE, 'Haed office']) {
    await assert.rejects(choose(`${ONE},${TWO}`, wanted), {
      code: 'ACCOUNT_NOT_CONFIGURED',
      exit: 64,
      happened: new RegExp(`^Account "${wanted}" is not in CLOUDFLARE_ACCOUNT_ID`),
      means: new RegExp(`There are .*${ONE} \\(Head office\\)`),
    });
  }
  await assert.rejects(choose('', 'Haed office'), { code: 'ACCOUNT_NOT_CONFIGURED' });
});

describe('accounts of the history', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
    for (const { account_id: id, label } of KNOWN) await sampleHistory(db.pool).account(id, label);
  });
  after(() => db.close());

  test('an account is found by id or label, and an unknown account is refused', async () => {
    assert.equal(await accountIdOf(db.pool, ONE), ONE);
    assert.equal(await accountIdOf(db.pool, 'head OFFICE'), ONE);
    await assert.rejects(accountIdOf(db.pool, TWO), { code: 'ACCOUNT_UNKNOWN' });
    assert.equal(await newAccountIdOf(db.pool, TWO), TWO);
    assert.equal(await newAccountIdOf(db.pool, 'elsewhere'), THREE);
    await assert.rejects(newAccountIdOf(db.pool, 'nowhere'), { code: 'ACCOUNT_UNKNOWN' });
  });

  test('a database that was never migrated has no labels, and a role that may not read them is an error', async () => {
    const empty = await createTestDatabase();
    const fresh = testPool(empty.url, 1);
    const role = `labels_${process.pid}`;
    await db.rows(`create role ${role} login password 'reader'`);
    const denied = testPool(Object.assign(new URL(db.url), { username: role, password: 'reader' }).href, 1);
    try {
      assert.deepEqual(await readLabels(fresh), []);
      assert.deepEqual(
        (await readLabels(db.pool)).map(({ label }) => label),
        ['Head office', 'Elsewhere'],
      );
      await assert.rejects(
        readLabels(denied),
        (error) => databaseError(error)?.code === 'DATABASE_PERMISSION',
      );
    } finally {
      await Promise.all([fresh.end(), denied.end()]);
      await db.rows(`drop role ${role}`);
      await empty.drop();
    }
  });
});
