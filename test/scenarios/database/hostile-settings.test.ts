// Settings of a database or a role that change how values look as text, or what a statement means. Nothing that is
// stored or shown may depend on them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { migrate } from '../../../src/db/migrate.ts';
import { servedAccount } from '../../support/api/served-account.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { createTestDatabase } from '../../support/database/test-database.ts';
import { RISK_TABLES } from '../../support/database/risk-tables.ts';
import { runCommand } from '../../support/run-command.ts';

const HOSTILE = [
  "datestyle = 'SQL, DMY'",
  "intervalstyle = 'sql_standard'",
  "timezone = 'Asia/Kathmandu'",
  'extra_float_digits = -15',
  "bytea_output = 'escape'",
  "client_encoding = 'LATIN1'",
  'standard_conforming_strings = off',
  "backslash_quote = 'on'",
  'array_nulls = off',
  'transform_null_equals = on',
  'row_security = off',
  'search_path = hostile, pg_catalog',
  "default_transaction_isolation = 'serializable'",
  'default_transaction_deferrable = on',
  'quote_all_identifiers = on',
  'check_function_bodies = off',
  'synchronous_commit = off',
  "session_replication_role = 'replica'",
  "plan_cache_mode = 'force_generic_plan'",
  'statement_timeout = 20000',
  'lock_timeout = 5000',
];
const ID = 'a1b2c3d4'.repeat(4);
// Days up to the 12th, which can be mistaken for months.
const DAYS = ['2026-09-03T10:00:00Z', '2026-10-05T22:30:00Z', '2026-11-12T01:02:03.004Z'];
const COMMANDS = [
  ['status'],
  ['status', '--run', '2'],
  ['accounts', 'list'],
  ['trends', '--since', '2026-09-01', '--bucket', 'day'],
  ['trends', '--since', '2026-11-11', '--bucket', 'hour', '--timezone', 'Europe/Berlin'],
  ['users', '--identities'],
  ['users', '--sort', 'last-event', '--as-of', '2026-10-06'],
  ['diff', '2026-09-04', '2026-11-13', '--identities'],
  ['history', 'person3.of.a1b2c3@example.com', '--identities'],
  ['rejected', 'list', '--all'],
];

/** A life in three syncs: levels, names and counters change, users come and go, a record is rejected, a run fails. */
async function live(db: MigratedDatabase): Promise<void> {
  // A function that an unqualified name could mean instead of PostgreSQL's own.
  await db.rows('create schema hostile');
  await db.rows(
    `create function hostile.now() returns timestamptz language sql as $$ select 'infinity'::timestamptz $$`,
  );
  const pool = testPool(db.url);
  try {
    const account = servedAccount(pool, 40, ID);
    const at = DAYS.map((day) => new Date(day));
    await account.sync({ observedAt: at[0]!, beside: [{ user_id: 'nobody', max_risk_level: 'HIGH' }] });
    account.people[3] = {
      ...account.people[3]!,
      max_risk_level: 'high',
      event_count: 77,
      name: 'Zoë \\ O’Hara',
    };
    account.people.splice(10, 3);
    await account.succeed({ observedAt: at[1]! });
    const everybody = account.people.splice(0);
    await account.sync({ observedAt: at[1]! });
    account.people.push(...everybody.toReversed());
    account.people[3] = { ...account.people[3], max_risk_level: 'low' };
    await account.succeed({ observedAt: at[2]! });
  } finally {
    await pool.end();
  }
}

/** Every row of the contract, without the times and places of the runs themselves. */
async function contents(db: MigratedDatabase): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const client = await db.pool.connect();
  await client.query(`begin; set local timezone = 'UTC'; set local extra_float_digits = 1`);
  for (const table of RISK_TABLES)
    all[table] = (
      await client.query<object>(
        `select to_jsonb(t) - array['added_at', 'started_at', 'finished_at', 'host'] as row from risk.${table} t order by 1`,
      )
    ).rows;
  await client.query('commit');
  client.release();
  return all;
}

async function answers(url: string): Promise<string[]> {
  const told: string[] = [];
  for (const args of COMMANDS) {
    for (const format of args.includes('--run') || args[0] === 'history'
      ? ['table']
      : ['table', 'json', 'csv']) {
      const all = format === 'table' ? args : [...args, '--format', format];
      // A slot that is far away: the time until the next one must not change from one call to the other.
      const env = { DATABASE_URL: url, SYNC_SCHEDULE: '0 0 1 1 *' };
      const { code, stdout, stderr } = await runCommand(all, env);
      assert.equal(code, 0, `${all.join(' ')}: ${stderr}`);
      told.push(
        `${all.join(' ')}\n${stdout.replaceAll(/"(age|known|silent)_ms": ?[\d.]+/g, '').replaceAll(/\b[\d.]+ m?s ago/g, 'now')}`,
      );
    }
  }
  return told;
}

describe('a database with settings that change how values look', () => {
  let plain: MigratedDatabase;
  let hostile: MigratedDatabase;
  let drop: () => Promise<void>;
  before(async () => {
    plain = await migratedDatabase();
    const empty = await createTestDatabase();
    drop = () => empty.drop();
    const name = new URL(empty.url).pathname.slice(1);
    for (const setting of HOSTILE) await plain.rows(`alter database "${name}" set ${setting}`);
    const pool = testPool(empty.url);
    await migrate(pool);
    const rows: MigratedDatabase['rows'] = async <Row extends object>(text: string) =>
      (await pool.query<Row>(text)).rows;
    hostile = { url: empty.url, pool, rows, close: () => pool.end() };
  });
  after(async () => {
    await plain.close();
    await hostile.close();
    await drop();
  });

  test('stores the same history as one without, and the commands say the same', async () => {
    await live(plain);
    await live(hostile);
    const fresh = testPool(hostile.url, 1);
    const { rows } = await fresh.query<{ value: string }>("select current_setting('datestyle') as value");
    assert.equal(rows[0]?.value, 'SQL, DMY', 'the settings are in force');
    await fresh.end();
    assert.deepEqual(await contents(hostile), await contents(plain));
    const told = await answers(hostile.url);
    const name = new URL(hostile.url).pathname.slice(1);
    await plain.rows(`alter database "${name}" reset all`);
    assert.deepEqual(told, await answers(hostile.url));
    assert.ok(told.every((text) => text.split('\n').length > 2));
    assert.match(told.join('\n'), /2026-10-05/);
  });
});
