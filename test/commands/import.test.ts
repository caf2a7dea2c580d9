// The command import: what people type, what they read, and every kind of wrong input.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import path from 'node:path';
import { addAccount } from '../../src/sync/claim/account-row.ts';
import { retireAccount } from '../../src/upkeep/accounts.ts';
import { CLI, type CliResult } from '../support/cli.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { runCommand } from '../support/run-command.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { envelope, envelopesOf, recordOf, recordsOf, savedFiles } from '../support/world/saved-answers.ts';

let db: MigratedDatabase;
let account = '';
let next = 0;

before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
beforeEach(() => {
  account = String(++next).padStart(32, 'a');
});

const env = () => ({ DATABASE_URL: db.url });
const bring = (args: readonly string[], stdin?: Readable): Promise<CliResult> =>
  runCommand(['import', '--account', account, ...args], env(), undefined, stdin);
const lines = ({ stdout }: CliResult) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Snapshots of the account: the instant, the verdict, and how many users. */
const snapshots = async () =>
  (
    await db.rows<{ at: Date; verdict: string; users: number }>(
      `select observed_at as at, verdict, user_count as users from risk.snapshots join risk.accounts using (account_key)
        where account_id = $1 order by 1`,
      [account],
    )
  ).map(({ at, verdict, users }) => `${new Date(at).toISOString().slice(0, 16)} ${verdict} ${users}`);

describe('import', () => {
  test('publishes pages and packed files in the order of time, and says so in a table', async () => {
    const [first, second] = envelopesOf(recordsOf(7), 5);
    const { paths } = await savedFiles({
      '2024-01-07T04-00-00Z.json': recordsOf(6),
      '2024-01-06T04-00-00Z.json.gz': envelope(recordsOf(6), { page: 1, total_count: 6 }),
      '2024-01-05T04-00-00Z-page2.json.gz': second!,
      '2024-01-05T04-00-00Z-page1.json': first!,
      '2024-01-08T04-00-00Z.json': envelope(recordsOf(6), { page: 1, total_count: 6 }),
    });
    const result = await bring(paths);
    assert.deepEqual(
      [result.code, result.stdout.split('\n')],
      [
        0,
        [
          'time              verdict   users  appeared  raised  lowered  cleared  returned',
          '2024-01-05 04:00  complete      7         7       0        0        0         0',
          '2024-01-06 04:00  complete      7         0       0        0        0         0',
          '2024-01-07 04:00  partial       7         0       0        0        0         0',
          '2024-01-08 04:00  complete      6         0       0        0        1         0',
          '',
          '2024-01-07 04:00 is partial: the server stated no total',
          '',
          '4 snapshots (1 partial) published. Times are in UTC.',
          '',
        ],
      ],
    );
    const [run] = await db.rows<Record<string, unknown>>(
      `select distinct trigger, status, requests, passes, evidence ? 'paging' as paging
         from risk.sync_runs join risk.accounts using (account_key) where account_id = $1`,
      [account],
    );
    assert.deepEqual(run, { trigger: 'import', status: 'succeeded', requests: 0, passes: 1, paging: false });
  });

  test('changes nothing the second time, and goes on with the files that are new', async () => {
    const saved = { '2024-01-05T04Z.json': envelope(recordsOf(3), { total_count: 3 }) };
    const { paths } = await savedFiles(saved);
    assert.equal((await bring(paths)).code, 0);
    const before = await snapshots();
    // Packed, and under another name: the content and the instant are the same.
    const again = await savedFiles({ 'again-1704427200.json.gz': saved['2024-01-05T04Z.json'] });
    const second = await bring(again.paths);
    assert.deepEqual([second.code, second.stderr], [0, '']);
    assert.match(second.stdout, /^already imported: snapshot \d+ of 2024-01-05 04:00 UTC\n$/);
    assert.deepEqual(await snapshots(), before);
    // Equal content at another instant is another snapshot.
    const more = await savedFiles({ '2024-01-06T04Z.json': saved['2024-01-05T04Z.json'] });
    const third = await bring([...paths, ...more.paths, '--json']);
    assert.deepEqual(
      lines(third).map(({ status, observed_at, files }) => [status, observed_at, files]),
      [
        ['already_imported', '2024-01-05T04:00:00.000Z', 1],
        ['succeeded', '2024-01-06T04:00:00.000Z', 1],
      ],
    );
    assert.deepEqual(await snapshots(), [...before, '2024-01-06T04:00 complete 3']);
  });

  test('shows with --dry-run what it would publish, and publishes nothing', async () => {
    const records = [...recordsOf(30), recordOf(31, { max_risk_level: 'extreme' })];
    const { paths } = await savedFiles({
      '2024-01-05T04Z.json': envelope(records, { total_count: 31 }),
      '2024-01-06T04Z.json': records,
    });
    const result = await bring(['--dry-run', ...paths]);
    assert.equal(result.code, 0);
    assert.match(result.stdout, /^2024-01-05 04:00 {2}complete {3}30 {9}1 {6}1 {6}1$/m);
    assert.match(result.stdout, /^2024-01-06 04:00 {2}partial {4}30/m);
    assert.match(result.stdout, /^2 snapshots \(1 partial\) would be published; nothing was/m);
    assert.deepEqual(await snapshots(), []);
    const json = lines(await bring(['--dry-run', '--json', ...paths]));
    assert.deepEqual(
      json.map(({ status, verdict, met, rejected }) => [status, verdict, met, rejected]),
      [
        ['dry_run', 'complete', 30, 1],
        ['dry_run', 'partial', 30, 1],
      ],
    );
  });

  test('reads the standard input under --at, and says in its own zone what it did', async () => {
    const saved = JSON.stringify(envelope(recordsOf(2), { total_count: 2 }));
    const args = ['-', '--at', '2024-01-05 04:00', '--timezone', 'Asia/Tokyo'];
    const result = await bring(args, Readable.from([Buffer.from(saved)]));
    assert.deepEqual([result.code, result.stderr], [0, '']);
    assert.match(result.stdout, /^2024-01-05 04:00 {2}complete/m);
    assert.match(result.stdout, /Times are in Asia\/Tokyo\.$/m);
    assert.deepEqual(await snapshots(), ['2024-01-04T19:00 complete 2']);
  });

  test('treats all files of --at as the pages of one snapshot', async () => {
    const { paths } = await savedFiles(
      Object.fromEntries(envelopesOf(recordsOf(9), 4).map((page, n) => [`p${n + 1}.json`, page])),
    );
    assert.equal((await bring([...paths, '--at', '2024-01-05T04-00-00Z'])).code, 0);
    assert.deepEqual(await snapshots(), ['2024-01-05T04:00 complete 9']);
  });

  test('knows an account by its label, and a new one by its id alone', async () => {
    await addAccount(db.pool, { accountId: account });
    await runCommand(['accounts', 'label', account, 'Old office'], env());
    const { paths } = await savedFiles({ '2024-01-05T04Z.json': envelope(recordsOf(1), { total_count: 1 }) });
    assert.equal((await runCommand(['import', '--account', 'old office', ...paths], env())).code, 0);
    assert.equal((await snapshots()).length, 1);
    const unknown = await runCommand(['import', '--account', 'New office', ...paths], env());
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^error ACCOUNT_UNKNOWN: "New office" is no account.*\n.*\n.*32 digits/);
  });

  test('an id in capitals names the account of the same id in small letters', async () => {
    const { paths } = await savedFiles({ '2024-01-05T04Z.json': envelope(recordsOf(1), { total_count: 1 }) });
    const capitals = ['import', '--account', account.toUpperCase(), ...paths];
    assert.equal((await runCommand(capitals, env())).code, 0);
    assert.equal((await snapshots()).length, 1);
  });

  test('a page that was not saved makes its snapshot partial, and no user is cleared', async () => {
    const [one, , three] = envelopesOf(recordsOf(9), 3);
    const whole = envelope(recordsOf(9), { total_count: 9 });
    const { paths } = await savedFiles({
      '2024-01-05T04Z.json': whole,
      '2024-01-06T04Z-1.json': one!,
      '2024-01-06T04Z-3.json': three!,
      // The total fits by chance: only the number of the page shows that one is missing.
      '2024-01-07T04Z.json': envelope(recordsOf(4), { page: 2, total_count: 4 }),
    });
    assert.equal((await bring(paths)).code, 0);
    assert.deepEqual(await snapshots(), [
      '2024-01-05T04:00 complete 9',
      '2024-01-06T04:00 partial 9',
      '2024-01-07T04:00 partial 9',
    ]);
  });

  test('warns of files with records of events that are later than the file', async () => {
    const late = recordsOf(1, { last_event: '2024-01-05T05:00:00+01:00' });
    const { paths } = await savedFiles({
      '2024-01-05T03-00-00.json': envelope(late, { total_count: 1 }),
      '2024-01-06T00-00-00.json': envelope(late, { total_count: 1 }),
    });
    const result = await bring(['--dry-run', '--timezone', 'UTC', ...paths]);
    const words = result.stderr.replace(/\s+/g, ' ');
    assert.match(words, /^warning: 1 file holds events from after its time, .* 2024-01-05T04:00:00/);
    assert.equal((await bring(['--dry-run', '--timezone', 'America/New_York', ...paths])).stderr, '');
  });

  test('does not wait for a run of the account, and says so', async () => {
    await claimAccount(db.pool, account);
    const { paths } = await savedFiles({ '2024-01-05T04Z.json': envelope(recordsOf(1), { total_count: 1 }) });
    const result = await bring(paths);
    assert.equal(result.code, 75);
    assert.match(result.stderr, /error IMPORT_BUSY: Another run is working/);
    assert.deepEqual(await snapshots(), []);
  });

  test('stops at a mass clear, and goes on after it with --accept-mass-clear', async () => {
    const day = (users: number) => envelope(recordsOf(users), { total_count: users });
    const { paths } = await savedFiles({
      '2024-01-05T04Z.json': day(50),
      '2024-01-06T04Z.json': day(10),
      '2024-01-07T04Z.json': { ...day(10), messages: ['another day'] },
      '2024-01-08T04Z.json': day(11),
    });
    const first = await bring(paths);
    assert.equal(first.code, 1);
    assert.match(first.stderr, /error MASS_CLEAR: 40 of the 50 present users/);
    assert.match(first.stderr, /import again with --accept-mass-clear/);
    assert.match(first.stderr, /2 snapshots of these files remain/);
    assert.deepEqual(await snapshots(), ['2024-01-05T04:00 complete 50', '2024-01-06T04:00 partial 50']);
    assert.equal((await bring([...paths, '--accept-mass-clear'])).code, 0);
    assert.deepEqual((await snapshots()).slice(2), [
      '2024-01-07T04:00 complete 10',
      '2024-01-08T04:00 complete 11',
    ]);
  });

  test('publishes nothing of an empty answer, unless it is accepted', async () => {
    const { paths } = await savedFiles({
      '2024-01-05T04Z.json': envelope(recordsOf(2), { total_count: 2 }),
      '2024-01-06T04Z.json': envelope([], { total_count: 0 }),
    });
    const first = await bring([...paths, '--json']);
    assert.equal(first.code, 1);
    assert.deepEqual(
      lines(first).map(({ status, error }) => [status, (error as { code: string } | undefined)?.code]),
      [
        ['succeeded', undefined],
        ['failed', 'EMPTY_ANSWER'],
      ],
    );
    assert.equal((await bring([...paths, '--accept-mass-clear'])).code, 0);
    assert.deepEqual(await snapshots(), ['2024-01-05T04:00 complete 2', '2024-01-06T04:00 complete 0']);
  });

  test('refuses what is not newer than the history, before anything is published', async () => {
    const day = (n: number) => envelope(recordsOf(n), { total_count: n });
    const newest = await savedFiles({ '2024-01-05T04Z.json': day(2) });
    await bring(newest.paths);
    const { paths } = await savedFiles({
      '2024-01-05T04-00-00Z.json': day(3),
      '2024-01-04T04Z.json': day(4),
      '2024-01-06T04Z.json': day(5),
    });
    const result = await bring(paths);
    assert.deepEqual([result.code, result.stdout], [1, '']);
    assert.match(
      result.stderr,
      /^error IMPORT_OUT_OF_ORDER: The files of 2 snapshots, the first of them .*2024-01-04/,
    );
    assert.match(result.stderr, /Import first, then sync/);
    assert.equal((await snapshots()).length, 1);
  });

  test('says what to do about unreadable records in files, also in a dry run', async () => {
    const latin = Buffer.from(JSON.stringify([{ ...recordOf(1), name: 'Zoë' }]), 'latin1');
    const { paths } = await savedFiles({ '2024-01-05T04Z.json': latin });
    for (const more of [['--dry-run'], []]) {
      const result = await bring([...more, ...paths]);
      assert.equal(result.code, 1);
      assert.match(
        result.stderr,
        /^error TOO_MANY_REJECTED: .*\n  This snapshot was not published.*\n.* in UTF-8\./m,
      );
      assert.doesNotMatch(result.stderr, /newer release|are kept in/);
    }
  });

  test('keeps the history of a retired account as it is', async () => {
    await addAccount(db.pool, { accountId: account });
    await retireAccount(db.pool, account);
    const { paths } = await savedFiles({ '2024-01-05T04Z.json': envelope(recordsOf(1), { total_count: 1 }) });
    for (const more of [[], ['--dry-run']]) {
      const result = await bring([...more, ...paths]);
      assert.deepEqual([result.code, result.stdout], [78, '']);
      assert.match(result.stderr, /^error ACCOUNT_RETIRED.*\n.*\n.*accounts restore/);
      assert.doesNotMatch(result.stderr, /CLOUDFLARE_ACCOUNT_ID/);
    }
  });
});

describe('import is refused', () => {
  test('with every file that cannot be read, and nothing is published', async () => {
    const good = envelope(recordsOf(2), { total_count: 2 });
    const { folder, paths } = await savedFiles({
      '2024-01-01T00Z.json': good,
      '2024-01-02T00Z.json': '<html>log in</html>',
      '2024-01-03T00Z.json': '',
      '2024-01-04T00Z.json': { success: false, errors: [{ code: 10000, message: 'Authentication error' }] },
      '2024-01-05T00Z.json': JSON.stringify(good).slice(0, 99),
    });
    await mkdir(path.join(folder, '2024-01-06T00Z'));
    const result = await bring([
      ...paths,
      path.join(folder, '2024-01-06T00Z'),
      path.join(folder, '2024-01-07T00Z'),
    ]);
    assert.deepEqual([result.code, result.stdout], [1, '']);
    const told = result.stderr.split('\n').filter((line) => line.startsWith('error '));
    const words = [
      'web page',
      'is empty',
      'Cloudflare (10000)',
      'ends in the middle',
      'it is a folder',
      'no such file',
    ];
    assert.equal(told.length, words.length);
    for (const [index, text] of words.entries()) assert.ok(told[index]?.includes(text), `${told[index]}`);
    assert.deepEqual(await snapshots(), []);
  });

  test('with --no-migrate, into a database that is behind, which stays as it is', async () => {
    const { paths } = await savedFiles({ '2024-01-01T00Z.json': envelope(recordsOf(2), { total_count: 2 }) });
    const empty = await createTestDatabase();
    try {
      const into = { DATABASE_URL: empty.url };
      const refused = await runCommand(['import', '--account', account, '--no-migrate', ...paths], into);
      assert.deepEqual([refused.code, refused.stdout], [78, '']);
      assert.match(refused.stderr, /^error DATABASE_BEHIND/m);
      const done = await runCommand(['import', '--account', account, ...paths, '--json'], into);
      assert.equal(done.code, 0, done.stderr);
    } finally {
      await empty.drop();
    }
  });

  test('with many files that cannot be read: the first ten are named, and the others are counted', async () => {
    const spoilt = Object.fromEntries(
      Array.from({ length: 13 }, (_, n) => [`2024-01-${String(n + 1).padStart(2, '0')}T00Z.json`, '']),
    );
    const { paths } = await savedFiles(spoilt);
    const result = await bring(paths);
    assert.deepEqual([result.code, result.stdout], [1, '']);
    assert.equal(result.stderr.match(/^error /gm)?.length, 10);
    assert.match(result.stderr, /^3 more files cannot be imported$/m);
    assert.deepEqual(await snapshots(), []);
  });

  for (const [what, args, words] of [
    ['without a time', ['a.json'], /^error IMPORT_TIME_UNKNOWN: The time of a\.json is not known/],
    ['with a time without a zone', ['20240105.json'], /^error IMPORT_TIME_UNKNOWN.*\n.*\n.*--timezone UTC/],
    ['with --at that is not a time', ['a.json', '--at', 'noon'], /^error IMPORT_TIME_UNKNOWN: --at noon/],
    ['with two times', ['a.json', '--at', '2024-01-05Z', '--at', '2024-01-06Z'], /given more than once/],
    [
      'with - twice',
      ['-', '-', '--at', '2024-01-05T00Z'],
      /^error IMPORT_OPTIONS: "-" was given more than once/,
    ],
    ['with - and no time', ['-'], /^error IMPORT_OPTIONS: "-" was given without --at/],
    ['with a second account', ['a.json', '--account', 'b'], /given more than once/],
    ['without a file', [], /missing required argument 'file'/],
  ] as const)
    test(what, async () => {
      const result = await bring(args);
      assert.deepEqual([result.code, result.stdout], [64, '']);
      assert.match(result.stderr.replace(/^error: option.*: /, ''), words);
    });

  test('with a time without a zone, whatever SYNC_TIMEZONE says', async () => {
    const zoned = { ...env(), SYNC_TIMEZONE: 'Asia/Tokyo' };
    const result = await runCommand(['import', '--account', account, '20240105.json'], zoned);
    assert.match(result.stderr, /^error IMPORT_TIME_UNKNOWN/);
    assert.equal(result.code, 64);
    const { stdout } = await runCommand(['import', '--help'], {});
    assert.match(stdout.replace(/\s+/g, ' '), /times in names that have none: needed there\./);
  });

  test('without an account, before any file is read', async () => {
    const result = await runCommand(['import', 'missing.json'], env());
    assert.equal(result.code, 64);
    assert.match(result.stderr, /^error IMPORT_OPTIONS: It was not said of which account/);
  });

  test('with a time in the future', async () => {
    const { paths } = await savedFiles({ '2099-01-05T04Z.json': envelope(recordsOf(1), { total_count: 1 }) });
    const result = await bring(paths);
    assert.equal(result.code, 64);
    assert.match(result.stderr, /^error FUTURE_INSTANT: .*2099-01-05T04Z\.json is of 2099/);
  });

  test('with an empty standard input, by the program as it is shipped', async () => {
    const args = ['import', '--account', account, '--at', '2024-01-05T00Z', '-'];
    const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env() } });
    child.stdin.end();
    const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)]);
    assert.equal(code, 1);
    assert.match(stderr, /error IMPORT_NOT_SUMMARY: the standard input is empty/);
  });
});
