// Questions without an answer: there is no history yet, or the question is impossible.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import {
  json,
  LATE,
  ONE,
  smallHistory,
  TWO,
  type SmallHistory,
} from '../../support/histories/small-history.ts';

let history: SmallHistory;
before(async () => {
  history = await smallHistory();
});
after(() => history.close());
const cli = (...args: string[]) => history.cli(...args);

const refused = (...args: Parameters<SmallHistory['refused']>) => history.refused(...args);

describe('a database without a history', () => {
  let empty: MigratedDatabase;
  before(async () => {
    empty = await migratedDatabase();
  });
  after(() => empty.close());

  it('is reported with what to do, and is an empty list in JSON and CSV', async () => {
    for (const args of [
      ['trends'],
      ['users'],
      ['changes'],
      ['diff', 'yesterday'],
      ['status'],
      ['accounts'],
    ]) {
      const table = await runCommand(args, { DATABASE_URL: empty.url });
      assert.equal(table.code, 0, table.stderr);
      assert.match(table.stdout, /^No account was ever synced here. Start with: zt-risk-sync sync$/m);
      const list = await runCommand([...args, '--format', 'json'], { DATABASE_URL: empty.url });
      assert.equal(list.stdout, '[]\n');
      const csv = await runCommand([...args, '--format', 'csv'], { DATABASE_URL: empty.url });
      assert.match(csv.stdout, /^account_id,[a-z_,]+\n$/);
    }
  });

  it('is also reported for a single account that has no snapshot yet', async () => {
    assert.match((await cli('users', '--account', LATE)).stdout, /^There is no snapshot yet/);
    assert.match((await cli('trends', '--account', LATE)).stdout, /^There is no snapshot yet/);
    await refused('BEFORE_HISTORY', 1, 'diff', 'yesterday', '--account', LATE);
    assert.match((await cli('status')).stdout, new RegExp(`^${LATE}  no snapshot yet$`, 'm'));
  });
});

/** Commands with --account, as questions about the histories of accounts. */
const CHOOSING = [
  ['trends'],
  ['users'],
  ['changes'],
  ['diff', 'now'],
  ['status'],
  ['status', '--run', '1'],
  ['history', 'ffff'],
  ['rejected', 'list'],
  ['rejected', 'show', 'ffff'],
  ['rejected', 'recheck'],
];

describe('an impossible question', () => {
  it('is refused with a stable error code', async () => {
    await refused('BEFORE_HISTORY', 1, 'diff', '2001-01-01');
    await refused('BEFORE_HISTORY', 1, 'users', '--as-of', '2001-01-01');
    await refused('TIME_IN_FUTURE', 64, 'diff', 'yesterday', '2199-01-01');
    await refused('TIME_IN_FUTURE', 64, 'trends', '--since', '2199-01-01');
    await refused('TIME_IN_FUTURE', 64, 'users', '--as-of', '2199-01-01');
    await refused('TIMES_SWAPPED', 64, 'diff', 'now', '24h');
    await refused('TIMES_SWAPPED', 64, 'changes', '--since', '1h', '--until', '24h');
    await refused('TIME_IN_FUTURE', 64, 'changes', '--until', '2199-01-01');
    await refused('TIMES_SWAPPED', 64, 'diff', `${history.ids[1]}`, `${history.ids[0]}`);
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', '999999');
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', `${history.ids[0]}`, '--account', TWO);
    await refused('AS_OF_CLEARED', 64, 'users', '--as-of', 'yesterday', '--level', 'cleared');
    for (const command of CHOOSING) {
      const { stderr } = await refused('ACCOUNT_UNKNOWN', 1, ...command, '--account', "x' or true --");
      assert.match(stderr, /There is no account "x' or true --" in this history/);
      assert.ok(
        [ONE, TWO, LATE].every((id) => stderr.includes(id)),
        'names the accounts there are',
      );
    }
    const { stderr } = await refused('ACCOUNT_UNKNOWN', 1, 'users', '--account', 'ada@example.com');
    assert.doesNotMatch(stderr, /@/);
  });

  it('is a usage error when its words are wrong', async () => {
    for (const args of [
      ['diff'],
      ['diff', 'tomorrow'],
      ['diff', 'now', 'sometime'],
      ['trends', '--since', '41'],
      ...['1e2', ' 1', '0x10', '1.0', '+1', '-1', '0', '9'.repeat(40)].flatMap((id) => [
        ['status', `--run=${id}`],
        ['export', 'snapshot-users', `--snapshot=${id}`],
      ]),
      ['export', 'levels', '--after=1e2'],
      ['trends', '--bucket', 'year'],
      ['users', '--level', 'extreme'],
      ['users', '--sort', 'name'],
      ['changes', '--to', 'absent'],
      ['changes', '--since', '41'],
      ['diff', 'now', '--level', 'cleared'],
      ['diff', 'now', '--change', 'renamed'],
      ['users', '--as-of', 'ada@example.com'],
      ['users', '--timezone', 'Europe/Atlantis'],
    ]) {
      const { code, stdout, stderr } = await cli(...args);
      assert.equal(code, 64, args.join(' '));
      assert.match(stderr, /^error: /);
      assert.equal(stdout, '');
    }
  });

  it('is a usage error that names the zone when PostgreSQL does not know it', async () => {
    // ICU knows this name, and PostgreSQL does not.
    const zone = 'US/Pacific-New';
    for (const command of ['trends', 'report']) {
      await refused('TIMEZONE_UNKNOWN', 64, command, '--timezone', zone);
      const { code, stderr } = await runCommand([command], {
        DATABASE_URL: history.db.url,
        SYNC_TIMEZONE: zone,
      });
      assert.equal(code, 64, stderr);
      assert.match(stderr, /^error TIMEZONE_UNKNOWN: .*US\/Pacific-New.*\n.*\n.*SYNC_TIMEZONE/);
    }
  });

  it('about several accounts leaves out the account whose history begins later, and names it', async () => {
    const { code, stdout, stderr } = await cli('diff', '48h', '--format', 'json');
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      json({ code, stdout, stderr }).map(({ account_id, change, from_level, to_level }) => [
        account_id,
        change,
        from_level,
        to_level,
      ]),
      [[ONE, 'raised', 'low', 'high']],
    );
    for (const account of [TWO, LATE])
      assert.match(stderr, new RegExp(`^account ${account}: no snapshot at or before `, 'm'));
  });
});
