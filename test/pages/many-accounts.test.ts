// Pages of more accounts than a person can look through: the most severe problems first, one account to type in, and no
// list of days for each account.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRoles } from '../../src/db/roles.ts';
import { startApp } from '../support/api/http-app.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const ACCOUNTS = 205;

test('the pages of many accounts begin with the accounts that need a look, and stay light', async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  await createRoles(db.pool);
  const history = sampleHistory(db.pool);
  const first = await history.account('failing', 'Head office');
  await history.snapshot(first, new Date(Date.now() - 60_000).toISOString(), { counts: [1, 2, 3] });
  const failure = { status: 'failed', error_code: 'NETWORK', error_message: 'x' } as const;
  await history.run({ account_key: first, started_at: new Date().toISOString(), ...failure });
  for (let n = 1; n < ACCOUNTS; n++) await history.account(`account ${n}`);
  await db.rows(
    `insert into risk.snapshots select account_key, account_key + 1000, date_trunc('second', now()) - interval '1 minute', 'complete', null, false,
            6, 6, 0, 0, 0, 0, 0, 0, 0 from risk.accounts where account_id like 'account %'`,
  );
  await db.rows(
    `insert into risk.snapshot_levels select account_key, snapshot_id, level, count, 0
       from risk.snapshots, (values ('low', 1), ('medium', 2), ('high', 3)) l (level, count) where snapshot_id > 1000`,
  );
  const app = await startApp(t, { databaseUrl: db.url, token: null });
  const page = async (path: string) => {
    const { status, text } = await app.ask('GET', path);
    assert.equal(status, 200, text);
    return text;
  };
  const overview = await page('/');
  assert.match(overview, new RegExp(`data-count="high">${3 * ACCOUNTS}<`));
  assert.match(overview, /There are too many accounts for a look at each of their days/);
  assert.match(overview, /The 100 that need a look first, of 205/);
  const table = overview.slice(overview.indexOf('id="accounts"'));
  assert.equal((table.match(/<th scope="row"/g) ?? []).length, 100);
  assert.ok(table.indexOf('Head office') < table.indexOf('account 1'));
  assert.match(overview, /<input\s+name="account"/);
  assert.doesNotMatch(overview, /<select name="account">/);
  assert.match(await page('/runs'), /There are too many accounts for a look at each of their days/);

  const one = await page('/?account=Head+office');
  assert.match(one, /<input\s+name="account"\s+value="failing"/);
  assert.match(one, /How sure, day by day/);
  assert.match(one, /data-count="high">3</);
});
