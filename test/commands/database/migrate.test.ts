// `migrate` as people call it: what it says, and what it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDatabase } from '../../support/database/test-database.ts';
import { query } from '../../support/database/servers/embedded-home.ts';
import { runCommand } from '../../support/run-command.ts';

const schemas = (url: string) =>
  query<{ name: string }>(url, `select nspname::text as name from pg_namespace where nspname like 'risk%'`);

test('--check changes nothing, and distinguishes an outdated database from an up-to-date one', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  const migrate = (...args: string[]) => runCommand(['migrate', ...args], { DATABASE_URL: empty.url });
  const behind = await migrate('--check');
  assert.deepEqual([behind.code, behind.stdout], [78, '']);
  assert.match(behind.stderr, /error DATABASE_BEHIND/);
  assert.deepEqual(await schemas(empty.url), []);
  const [, applied] = /^applied (\d+) migrations\n$/.exec((await migrate()).stdout) ?? [];
  assert.equal((await migrate('--check')).stdout, `up to date: ${applied} migrations\n`);
  assert.equal((await migrate()).stdout, 'up to date\n');
});
