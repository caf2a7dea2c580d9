// The recipe of docs/reporting.md for readers who must not learn who a user is.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Pool } from '../../src/db/pool.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const USERS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
// Roles belong to the server, which other tests also use.
const ROLE = `analyst_${randomBytes(6).toString('hex')}`;

let database: MigratedDatabase;
let analyst: Pool;

const recipe = () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/reporting.md'), 'utf8');
  const [, section = ''] = page.split(/^## Pseudonyms$/m);
  const blocks = [...(section.split(/^## /m)[0] ?? '').matchAll(/^```sql\n(.*?)^```$/gms)];
  assert.equal(blocks.length, 2);
  return blocks.map(([, sql = '']) => sql.replaceAll('the_analyst', ROLE));
};

before(async () => {
  database = await migratedDatabase();
  const history = sampleHistory(database.pool);
  const key = await history.account('a'.repeat(32), 'An account');
  const at = '2026-01-02T00:00:00Z';
  await history.snapshot(key, '2026-01-01T00:00:00Z', { is_baseline: true });
  await history.snapshot(key, at);
  for (const user_id of USERS) {
    const level = { max_risk_level: 'high', level_since: at } as const;
    const user = await history.user({ account_key: key, user_id, first_seen_at: at, ...level });
    await history.levels([
      { account_key: key, user_key: user, valid_from: at, max_risk_level: 'high', change: 'appeared' },
    ]);
    await history.identities([
      { account_key: key, user_key: user, valid_from: at, email: `${user_id}@example.com`, name: 'A name' },
    ]);
  }
  await database.pool.query(`create role ${ROLE} login password 'a password'`);
  const [once = '', again = ''] = recipe();
  await database.pool.query(once);
  await database.pool.query(again);
  await database.pool.query(again);
  const url = Object.assign(new URL(database.url), { username: ROLE, password: 'a password' });
  analyst = testPool(url.href);
});
after(async () => {
  await analyst.end();
  await database.pool.query(`drop owned by ${ROLE}; drop role ${ROLE}`);
  await database.close();
});

test('the pseudonymous schema has every view without personal data, and no user id', async () => {
  const views = await database.rows<{ name: string }>(
    `select relname as name from pg_class c where relnamespace = 'risk_bi'::regnamespace and relkind = 'v'
        and not exists (select from pg_attribute where attrelid = c.oid and attname in ('email', 'name'))`,
  );
  assert.ok(views.length > 10);
  let rows = 0;
  for (const { name } of views) {
    const found = await analyst.query<object>(`select * from risk_pseudonymous.${name} limit 1000`);
    const text = JSON.stringify(found.rows);
    for (const id of USERS) assert.ok(!text.includes(id), name);
    rows += found.rows.filter((row) => 'user_id' in row).length;
  }
  assert.ok(rows >= 10);
});

test('a pseudonym is a keyed hash, the same in every view', async () => {
  const [{ key } = assert.fail()] = await database.rows<{ key: Buffer }>(
    'select key from risk_pseudonymous.secret',
  );
  assert.equal(key.length, 32);
  const expected = USERS.map((id) => {
    const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
    return createHash('sha256').update(key).update(bytes).digest('hex').slice(0, 32);
  }).toSorted();
  for (const view of ['users', 'level_changes', 'user_level_history', 'high_risk_episodes']) {
    const { rows } = await analyst.query<{ user_id: string }>(
      `select user_id from risk_pseudonymous.${view}`,
    );
    assert.deepEqual(rows.map((row) => row.user_id.replaceAll('-', '')).toSorted(), expected, view);
  }
});

test('the reader can read neither the key nor the tables behind the views', async () => {
  for (const what of ['risk_pseudonymous.secret', 'risk_bi.users', 'risk.users', 'risk_bi.user_identities'])
    await assert.rejects(analyst.query(`select * from ${what}`), { code: '42501' }, what);
});
