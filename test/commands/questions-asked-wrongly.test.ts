// trends, users, diff and status without data, with impossible questions, for a role that may not read everything, and
// with names that are attacks.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { CLI, type CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const ONE = '1'.repeat(32);
const TWO = '2'.repeat(32);
const LATE = '3'.repeat(32);
const HOUR = 3_600_000;
const ROLE = `reader_${randomBytes(6).toString('hex')}`;
// A formula, a terminal title, a cursor movement, text from right to left, and a long name.
const NAME = `=cmd|' /C calc'!A0 \u001b]0;pwned\u0007\u009b2J\u202eeman ${'x'.repeat(10_000)}`;
const now = Date.now();
const ago = (hours: number) => new Date(now - hours * HOUR).toISOString();
const json = (result: CliResult) => JSON.parse(result.stdout) as Record<string, unknown>[];

let empty: MigratedDatabase;
let db: MigratedDatabase;
let ids: number[];
let readerUrl: string;

before(async () => {
  [empty, db] = [await migratedDatabase(), await migratedDatabase()];
  const sample = sampleHistory(db.pool);
  const [one, two] = [await sample.account(ONE, 'Head \u001b[2Joffice'), await sample.account(TWO)];
  await sample.account(LATE);
  ids = [
    await sample.snapshot(one, ago(72), { is_baseline: true, counts: [1, 0, 0] }),
    await sample.snapshot(one, ago(48), { verdict: 'partial', counts: [1, 0, 0] }),
    await sample.snapshot(two, ago(30), { is_baseline: true, counts: [0, 0, 0] }),
    await sample.snapshot(one, ago(24), { verdict: 'partial', counts: [0, 0, 1] }),
  ];
  const ada = await sample.user({
    account_key: one,
    user_id: uuidOf('ada'),
    first_seen_at: ago(72),
    max_risk_level: 'high',
    level_since: ago(24),
    absent_since: ago(24),
    event_count: 2_147_483_647,
  });
  const of = { account_key: one, user_key: ada };
  await sample.levels([
    {
      ...of,
      valid_from: ago(72),
      valid_to: ago(24),
      max_risk_level: 'low',
      change: 'appeared',
      end_reason: 'changed',
    },
    { ...of, valid_from: ago(24), max_risk_level: 'high', previous_level: 'low', change: 'raised' },
  ]);
  await sample.identities([{ ...of, valid_from: ago(72), email: '=1+1@example.com', name: NAME }]);
  for (const statement of [
    `create role ${ROLE} login password 'reader'`,
    `alter role ${ROLE} set default_transaction_read_only = on`,
    `grant usage on schema risk, risk_bi to ${ROLE}`,
    `grant select on risk.accounts, risk.sync_runs, risk.snapshots, risk.snapshot_levels, risk.users, risk.user_levels, risk.user_activity to ${ROLE}`,
    `grant select on risk_bi.risk_level_daily, risk_bi.risk_level_hourly, risk_bi.risk_level_by_snapshot to ${ROLE}`,
  ])
    await db.pool.query(statement);
  const url = new URL(db.url);
  url.username = ROLE;
  url.password = 'reader';
  readerUrl = url.href;
});

after(async () => {
  await db.pool.query(`drop owned by ${ROLE}`);
  await db.pool.query(`drop role ${ROLE}`);
  await db.close();
  await empty.close();
});

const cli = (...args: string[]) => runCommand(args, { DATABASE_URL: db.url });

async function refused(code: string, exit: number, ...args: string[]): Promise<CliResult> {
  const result = await cli(...args);
  assert.match(result.stderr, new RegExp(`^error ${code}: `), args.join(' '));
  assert.equal(result.code, exit);
  assert.equal(result.stdout, '');
  return result;
}

describe('a database without a history', () => {
  it('is reported with what to do, and is an empty list in JSON and CSV', async () => {
    for (const args of [['trends'], ['users'], ['diff', 'yesterday'], ['status']]) {
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

describe('an impossible question', () => {
  it('is refused with a stable error code', async () => {
    await refused('BEFORE_HISTORY', 1, 'diff', '2001-01-01');
    await refused('BEFORE_HISTORY', 1, 'users', '--as-of', '2001-01-01');
    await refused('TIME_IN_FUTURE', 64, 'diff', 'yesterday', '2199-01-01');
    await refused('TIME_IN_FUTURE', 64, 'trends', '--since', '2199-01-01');
    await refused('TIME_IN_FUTURE', 64, 'users', '--as-of', '2199-01-01');
    await refused('TIMES_SWAPPED', 64, 'diff', 'now', '24h');
    await refused('TIMES_SWAPPED', 64, 'diff', `${ids[1]}`, `${ids[0]}`);
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', '999999');
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', `${ids[0]}`, '--account', TWO);
    await refused('AS_OF_CLEARED', 64, 'users', '--as-of', 'yesterday', '--level', 'cleared');
    for (const command of [['trends'], ['users'], ['diff', 'now'], ['status']])
      await refused('ACCOUNT_UNKNOWN', 1, ...command, '--account', "x' or true --");
  });

  it('is a usage error when its words are wrong', async () => {
    for (const args of [
      ['diff'],
      ['diff', 'tomorrow'],
      ['diff', 'now', 'sometime'],
      ['trends', '--since', '41'],
      ['trends', '--bucket', 'year'],
      ['users', '--level', 'extreme'],
      ['users', '--sort', 'name'],
      ['users', '--as-of', 'ada@example.com'],
      ['users', '--timezone', 'Europe/Atlantis'],
    ]) {
      const { code, stdout, stderr } = await cli(...args);
      assert.equal(code, 64, args.join(' '));
      assert.match(stderr, /^error: /);
      assert.equal(stdout, '');
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

describe('emails, names and labels', () => {
  it('are neither read nor shown unless --identities asks for them', async () => {
    for (const args of [['users'], ['diff', '72h'], ['trends'], ['status'], ['accounts', 'list']]) {
      for (const format of ['table', 'json', 'csv']) {
        const { code, stdout, stderr } = await runCommand([...args, '--format', format], {
          DATABASE_URL: readerUrl,
        });
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(`${stdout}${stderr}`, /example\.com|cmd/);
      }
    }
    for (const args of [
      ['users', '--identities'],
      ['diff', '72h', '--identities'],
    ]) {
      const result = await runCommand(args, { DATABASE_URL: readerUrl });
      assert.equal(result.code, 77);
      assert.match(result.stderr, /^error IDENTITIES_DENIED/);
    }
  });

  it('reach the terminal or a spreadsheet only as text', async () => {
    for (const args of [
      ['users', '--identities'],
      ['diff', '72h', '--identities'],
    ]) {
      const { stdout } = await cli(...args);
      assert.match(stdout, /^ {2}=1\+1@example\.com, =cmd\|/m);
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      for (const line of stdout.split('\n')) assert.ok(Array.from(line).length <= 80, line);
      const asJson = await cli(...args, '--format', 'json');
      assert.doesNotMatch(asJson.stdout, /[\u007f-\u009f\u202a-\u202e]/);
      assert.equal(json(asJson)[0]!['name'], NAME);
      const csv = (await cli(...args, '--format', 'csv')).stdout;
      assert.match(csv, /,'=1\+1@example\.com,/);
      assert.match(csv, /,"?'=cmd\|/);
    }
    for (const args of [['trends'], ['users'], ['diff', '72h'], ['status']])
      assert.match((await cli(...args)).stdout, /Head \ufffd\[2Joffice/);
  });
});

describe('the tables', () => {
  it('say that nothing was found, and what to try', async () => {
    const none = await cli('users', '--account', ONE, '--search', 'ffffffff-ffff');
    assert.match(
      none.stdout,
      /^No user has a matching id \(add --identities to search emails and names\)\./m,
    );
    assert.match(none.stdout, /--level cleared/);
    assert.match((await cli('users', '--account', ONE, '--level', 'medium')).stdout, /^No user at medium\./m);
    const same = await cli('diff', '1h', '--account', ONE);
    assert.match(same.stdout, /^There is no snapshot in between/m);
  });

  it('have a block for each account, or only for the named one', async () => {
    for (const args of [['diff', '12h'], ['users'], ['trends']]) {
      const both = (await cli(...args)).stdout;
      assert.match(both, new RegExp(`^account ${ONE}[^]+\\n\\naccount ${TWO}\\n`), args[0]);
      const one = (await cli(...args, '--account', TWO)).stdout;
      assert.match(one, new RegExp(`^account ${TWO}\\n`));
      assert.ok(!one.includes(ONE));
    }
  });

  it('mark an absent user, and warn about partial snapshots', async () => {
    const users = (await cli('users', '--account', ONE)).stdout;
    assert.match(users, new RegExp(`^${uuidOf('ada')}  high\\*  +24 h  +2,147 M  `, 'm'));
    assert.match(users, /^\* not met by the newest walk/m);
    const diff = (await cli('diff', `${ids[1]}`, `${ids[3]}`)).stdout;
    assert.match(diff, /^The earlier snapshot is partial/m);
    assert.match(diff, /^The later snapshot is partial/m);
    assert.match(diff, /^raised +1  low → high 1$/m);
  });

  it('draw a chart where there is room, and otherwise a line', async () => {
    const args = ['trends', '--since', '72h', '--account', ONE];
    const narrow = await cli(...args);
    assert.match(narrow.stdout, /^high   [▁█·]+ /m);
    const wide = await runCommand(args, { DATABASE_URL: db.url, COLUMNS: '100' });
    assert.match(wide.stdout, /^ +0 ┤/m);
    assert.match(wide.stdout, /^ +└[─p]+$/m);
  });
});

describe('a pipe whose reader stops early', () => {
  it('ends the command without an error', async () => {
    for (const args of [
      ['users'],
      ['trends', '--since', '72h', '--bucket', 'hour'],
      ['diff', '72h'],
      ['status'],
    ]) {
      const child = spawn(process.execPath, [CLI, ...args, '--format', 'json'], {
        env: { DATABASE_URL: db.url },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stdout.destroy();
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number];
      assert.equal(code, 0, args.join(' '));
      assert.doesNotMatch(stderr, /EPIPE|UNEXPECTED/);
    }
  });
});
