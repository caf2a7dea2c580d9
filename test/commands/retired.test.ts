// What commands say about retired accounts, and about many accounts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { runCommand } from '../support/run-command.ts';

const HOUR = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR).toISOString();
const ids = Array.from({ length: 22 }, (_, n) => `a${String(n).padStart(31, '0')}`);
let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
  const history = sampleHistory(db.pool);
  for (const id of ids.slice(0, 2)) {
    const account = await history.account(id);
    await history.snapshot(account, ago(50), { counts: [1, 0, 0] });
    await history.snapshot(account, ago(40), { counts: [2, 0, 0] });
  }
  await db.rows('update risk.accounts set retired_at = $1', [ago(30)]);
});
after(() => db.close());
const run = async (...args: string[]) => {
  const result = await runCommand(args, { DATABASE_URL: db.url, SYNC_TIMEZONE: 'UTC' });
  assert.equal(result.code, 0, result.stderr);
  return result;
};

test('two times after every account was retired are explained, and a named account has its last states', async () => {
  const { stdout } = await run('diff', '20h ago', '10h ago');
  assert.equal(
    stdout,
    'Every account was retired by then. Name one with --account to compare its last states.\n',
  );
  assert.deepEqual(JSON.parse((await run('diff', '20h ago', '10h ago', '--json')).stdout), []);
  assert.match((await run('diff', '20h ago', '10h ago', '--account', ids[0]!)).stdout, new RegExp(ids[0]!));
  assert.match((await run('diff', '45h ago', '35h ago')).stdout, new RegExp(`${ids[0]}[^]*${ids[1]}`));
});

test('a long list of accounts states how many there are, and how many are retired', async () => {
  assert.doesNotMatch((await run('accounts', 'list')).stdout, /2 accounts/);
  const [retired] = JSON.parse((await run('accounts', 'list', '--json')).stdout) as Record<string, unknown>[];
  assert.equal(retired?.['is_retired'], true);
  assert.match(String(retired?.['retired_at']), /^\d{4}-\d\d-\d\dT.*Z$/);
  const history = sampleHistory(db.pool);
  for (const id of ids.slice(2)) await history.account(id);
  const { stdout } = await run('accounts', 'list');
  assert.match(stdout, /^22 accounts, 2 of them retired\. Times are in UTC\.$/m);
  const rows = JSON.parse((await run('accounts', 'list', '--json')).stdout) as Record<string, unknown>[];
  assert.deepEqual(
    rows.map((row) => row['retired_at'] === null),
    ids.map((_, n) => n >= 2),
  );
  await db.rows('update risk.accounts set retired_at = null');
  assert.match((await run('accounts', 'list')).stdout, /^22 accounts\. Times/m);
});
