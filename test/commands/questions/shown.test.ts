// What the answers show: accounts, columns, notes, emails and names.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { migrate } from '../../../src/db/migrate.ts';
import { runCommand } from '../../support/run-command.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import {
  ago,
  json,
  LATE,
  ONE,
  smallHistory,
  TWO,
  type SmallHistory,
  NAME,
} from '../../support/histories/small-history.ts';

let history: SmallHistory;
before(async () => {
  history = await smallHistory();
});
after(() => history.close());
const cli = (...args: string[]) => history.cli(...args);
const refused = (...args: Parameters<SmallHistory['refused']>) => history.refused(...args);

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

describe('letters beyond A to Z', () => {
  it('are searched without regard to case, whatever the locale of the database', async () => {
    const name = `locale_c_${randomBytes(6).toString('hex')}`;
    await history.db.pool.query(
      `create database ${name} template template0 encoding 'UTF8' locale_provider libc locale 'C'`,
    );
    const url = new URL(history.db.url);
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
      await history.db.pool.query(`drop database ${name}`);
    }
  });
});

describe('the columns of JSON and CSV', () => {
  it('have the names that risk_bi uses, and other names only for columns that risk_bi lacks', async () => {
    const golden = readFileSync(new URL('../../db/contract.golden', import.meta.url), 'utf8');
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

/** What no view knows: two snapshots side by side, one column per level, the time and the schedule of a command. */
const OWN_COLUMNS: Readonly<Record<string, string[]>> = {
  'diff 72h': [
    'from_snapshot_id',
    'from_observed_at',
    'to_snapshot_id',
    'to_observed_at',
    'in_between_count',
  ],
  'trends --since 72h': ['low', 'medium', 'high', 'high_share'],
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
    'copied_at',
    'is_copy_due',
  ],
};

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
    const diff = (await cli('diff', `${history.ids[1]}`, `${history.ids[3]}`)).stdout;
    assert.match(diff, /^The earlier snapshot is partial/m);
    assert.match(diff, /^The later snapshot is partial/m);
    assert.match(diff, /^raised +1  low → high 1$/m);
  });

  it('draw a chart where there is room, and otherwise a line', async () => {
    const args = ['trends', '--since', '72h', '--account', ONE];
    const narrow = await cli(...args);
    assert.match(narrow.stdout, /^high   [▁█·]+ /m);
    const wide = await runCommand(args, { DATABASE_URL: history.db.url, COLUMNS: '100' });
    assert.match(wide.stdout, /^ +0 ┤/m);
    assert.match(wide.stdout, /^ +└[─p]+$/m);
    assert.match(narrow.stdout, /^▁ to █: high 0 to 1, medium 0 to 0, low 0 to 1$/m);
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
        const { code, stdout, stderr } = await history.asReader(...args, '--format', format);
        assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
        assert.doesNotMatch(`${stdout}${stderr}`, /example\.com|cmd/);
      }
    }
    for (const args of [
      ['users', '--identities'],
      ['changes', '--identities'],
      ['diff', '72h', '--identities'],
    ]) {
      const result = await history.asReader(...args);
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
