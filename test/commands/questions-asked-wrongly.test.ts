// trends, users, changes, diff and status without data, with impossible questions, for a role that may not read everything, and
// with names that are attacks.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { migrate } from '../../src/db/migrate.ts';
import { CLI, type CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/database/migrated-database.ts';
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
    `grant select on risk_bi.risk_level_daily, risk_bi.risk_level_hourly, risk_bi.risk_level_by_snapshot, risk_bi.level_changes to ${ROLE}`,
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

describe('an account', () => {
  it('is named by its label as well, and several can be named', async () => {
    for (const args of [
      ['users'],
      ['trends', '--since', '72h'],
      ['diff', '1h'],
      ['changes'],
      ['status', '--accounts'],
    ]) {
      const { code, stdout, stderr } = await cli(
        ...args,
        '--account',
        'HEAD \u001b[2Joffice',
        '--account',
        TWO,
      );
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(ONE) && stdout.includes(TWO) && !stdout.includes(LATE), args[0]);
    }
    assert.equal((await cli('accounts', 'label', LATE, 'Late')).code, 0);
    assert.equal((await cli('accounts', 'retire', 'late')).stdout, `${LATE}: retired\n`);
    assert.equal((await cli('accounts', 'restore', 'Late')).stdout, `${LATE}: restored\n`);
    assert.equal((await cli('accounts', 'label', 'Late')).stdout, `${LATE}: label removed\n`);
    await refused('ACCOUNT_UNKNOWN', 1, 'accounts', 'retire', 'Late');
  });
});

describe('the columns of JSON and CSV', () => {
  it('have the names that risk_bi uses, and others only where it has no such column', async () => {
    const golden = readFileSync(new URL('../db/contract.golden', import.meta.url), 'utf8');
    const known = new Set([...golden.matchAll(/^risk_bi\..* = (\w+) /gm)].map(([, name]) => name));
    assert.ok(known.size > 60);
    for (const args of [
      ['changes'],
      ['users'],
      ['users', '--identities'],
      ['diff', '72h'],
      ['history', uuidOf('ada')],
      ['trends', '--since', '72h'],
      ['status'],
      ['status', '--accounts'],
      ['accounts'],
    ]) {
      const { stdout } = await cli(...args, '--format', 'csv');
      const own = stdout
        .split('\n')[0]!
        .split(',')
        .filter((name) => !known.has(name));
      assert.deepEqual(own, OWN_COLUMNS[args.join(' ').replace(uuidOf('ada'), '')] ?? [], args.join(' '));
      const first = json(await cli(...args, '--format', 'json'))[0]!;
      if (args[0] !== 'history') assert.deepEqual(Object.keys(first), stdout.split('\n')[0]!.split(','));
    }
  });
});

/** What no view knows: two snapshots beside each other, one column per level, the time and the schedule of a command. */
const OWN_COLUMNS: Readonly<Record<string, string[]>> = {
  'diff 72h': [
    'from_snapshot_id',
    'from_observed_at',
    'to_snapshot_id',
    'to_observed_at',
    'in_between_count',
  ],
  'trends --since 72h': ['low', 'medium', 'high', 'high_share', 'starts_at'],
  'history ': ['reason', 'complete_walks', 'partial_walks', 'renamed'],
  status: ['host'],
  'status --accounts': [
    'age_seconds',
    'stale_after_seconds',
    'is_stale',
    'failed_in_a_row',
    'partial_in_a_row',
    'complete_at',
    'rejected_waiting',
    'rejected_not_kept',
    'is_running',
    'running_run_id',
    'running_since',
    'running_host',
    'silent_seconds',
    'last_slot',
    'last_slot_status',
    'last_slot_run_id',
    'next_slot',
  ],
};

describe('letters beyond A to Z', () => {
  it('are searched without regard to case, whatever the locale of the database', async () => {
    const name = `locale_c_${randomBytes(6).toString('hex')}`;
    await db.pool.query(
      `create database ${name} template template0 encoding 'UTF8' locale_provider libc locale 'C'`,
    );
    const url = new URL(db.url);
    url.pathname = `/${name}`;
    const pool = testPool(url.href);
    try {
      await migrate(pool);
      const sample = sampleHistory(pool);
      const account_key = await sample.account(ONE);
      await sample.snapshot(account_key, ago(1), { is_baseline: true, counts: [1, 0, 0] });
      const user = { account_key, user_id: uuidOf('özgür'), first_seen_at: ago(1) };
      const user_key = await sample.user({ ...user, max_risk_level: 'low', level_since: ago(1) });
      await sample.identities([
        { account_key, user_key, valid_from: ago(1), email: 'ÖZGÜR@example.com', name: 'Özgür ÅNGSTRÖM' },
      ]);
      const ask = (...args: string[]) => runCommand(args, { DATABASE_URL: url.href });
      const found = await ask('users', '--search', 'özgür ångström', '--identities', '--json');
      assert.deepEqual(
        json(found).map((row) => row['user_id']),
        [uuidOf('özgür')],
        found.stderr,
      );
      assert.equal((await ask('history', 'özgür@EXAMPLE.com')).code, 0);
    } finally {
      await pool.end();
      await db.pool.query(`drop database ${name}`);
    }
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
    await refused('TIMES_SWAPPED', 64, 'changes', '--since', '1h', '--until', '24h');
    await refused('TIME_IN_FUTURE', 64, 'changes', '--until', '2199-01-01');
    await refused('TIMES_SWAPPED', 64, 'diff', `${ids[1]}`, `${ids[0]}`);
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', '999999');
    await refused('SNAPSHOT_NOT_FOUND', 1, 'diff', `${ids[0]}`, '--account', TWO);
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
    for (const args of [
      ['users'],
      ['changes'],
      ['diff', '72h'],
      ['trends'],
      ['status'],
      ['accounts', 'list'],
    ]) {
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
      ['changes', '--identities'],
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
      ['changes', '--identities'],
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
    for (const args of [['diff', '12h'], ['users'], ['trends'], ['changes']]) {
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
    assert.match(narrow.stdout, /^▁ to █: high 0 to 1, medium 0 to 0, low 0 to 1$/m);
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
