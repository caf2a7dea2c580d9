// Users of an earlier time and differences, with the emails and names of that time. Runs on Citus as well, where a
// function of risk_bi cannot be joined like a table.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { servedAccount, type ServedAccount } from '../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { runCommand } from '../support/run-command.ts';

const THEN = '2026-03-01T00:00:00.000Z';
const LATER = '2026-03-02T00:00:00.000Z';

let database: MigratedDatabase;
let accounts: ServedAccount[];
let peopleThen: ServedAccount['people'][];

before(async () => {
  database = await migratedDatabase();
  accounts = [servedAccount(database.pool, 9), servedAccount(database.pool, 6)];
  peopleThen = accounts.map(({ people }) => people);
  for (const account of accounts) {
    await account.succeed({ observedAt: new Date(THEN) });
    account.people = account.people.map((one, n) =>
      n < 3
        ? { ...one, max_risk_level: one.max_risk_level === 'high' ? 'low' : 'high', email: `new${n}@x.test` }
        : one,
    );
    await account.succeed({ observedAt: new Date(LATER) });
  }
});

after(() => database.close());

async function asked(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runCommand([...args, '--identities', '--json'], {
    DATABASE_URL: database.url,
  });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>[];
}

const sorted = (rows: unknown[][]) => rows.map((row) => row.join(' ')).toSorted();

test('users of an earlier time have their level, email and name of that time', async () => {
  for (const [at, people] of [
    [THEN, peopleThen],
    [LATER, accounts.map((one) => one.people)],
  ] as const) {
    const rows = await asked('users', '--as-of', at);
    assert.deepEqual(
      sorted(
        rows.map((row) => [
          row['account_id'],
          row['user_id'],
          row['max_risk_level'],
          row['email'],
          row['name'],
        ]),
      ),
      sorted(
        people.flatMap((mine, n) =>
          mine.map((one) => [accounts[n]!.id, one.user_id, one.max_risk_level, one.email, one.name]),
        ),
      ),
    );
    const [first] = accounts;
    const high = await asked('users', '--as-of', at, '--account', first!.id, '--level', 'high');
    assert.equal(high.length, people[0]!.filter((one) => one.max_risk_level === 'high').length);
  }
  assert.equal((await asked('users', '--as-of', THEN, '--search', 'new1@x.test')).length, 0);
  assert.equal((await asked('users', '--as-of', LATER, '--search', 'new1@x.test')).length, accounts.length);
});

test('a difference has the emails and names at its later end', async () => {
  const rows = await asked('diff', THEN, LATER);
  assert.deepEqual(
    sorted(
      rows.map((row) => [row['account_id'], row['user_id'], row['to_level'], row['email'], row['name']]),
    ),
    sorted(
      accounts.flatMap(({ id, people }) =>
        people.slice(0, 3).map((one) => [id, one.user_id, one.max_risk_level, one.email, one.name]),
      ),
    ),
  );
});
