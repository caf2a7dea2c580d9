// The commands privacy and privacy apply: what people type, what they read, and every kind of wrong input.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { labelAccount } from '../../src/upkeep/accounts.ts';
import { servedAccount, type ServedAccount } from '../support/api/served-account.ts';
import { leasesOf } from '../support/database/claimed-leases.ts';
import { untilLockWaiters } from '../support/database/lock-waits.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { interruption, runCommand, type Controls } from '../support/run-command.ts';

const keyOf = (seed: number) =>
  Buffer.from(Array.from({ length: 32 }, (_, n) => (n * seed + 7) % 256)).toString('base64');
const KEY = keyOf(41);

let db: MigratedDatabase;
let account: ServedAccount;
before(async () => {
  db = await migratedDatabase();
  account = servedAccount(db.pool, 30);
  await account.succeed();
  await account.sync({ beside: [{ ...account.people[1]!, event_count: -1 }] });
  await labelAccount(db.pool, account.id, 'Head | office');
});
after(() => db.close());

const run = (args: string[], env: Record<string, string> = {}) =>
  runCommand(args, { DATABASE_URL: db.url, SYNC_TIMEZONE: 'UTC', ...env });
const PSEUDONYMOUS = { PII_MODE: 'pseudonymous', PII_KEY: KEY };
const lines = (text: string) => text.split('\n');

describe('privacy', () => {
  test('says what is held, how long, who may read it, and what was erased, in 80 columns', async () => {
    const { code, stdout, stderr } = await run(['privacy'], {
      RETENTION_ACTIVITY: '400d',
      RETENTION_RUNS: '36h',
    });
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(
      lines(stdout).every((line) => line.length <= 80),
      stdout,
    );
    for (const words of [
      /Head \| office +30 +\d{4}-\d\d-\d\d +30 +1/,
      /Head \| office +full +– +\d{4}-\d\d-\d\d +29 +0/,
      /PII_MODE is full: emails and names are kept as Cloudflare served them\./,
      /RETENTION_ACTIVITY +400 days/,
      /RETENTION_RUNS +36 h/,
      /RETENTION_LEVELS +for ever/,
      /RETENTION_REJECTED +30 days/,
      /Nobody was erased\./,
      /Pages and the API show no emails and no names\./,
      /No publication for logical replication holds emails and names\./,
    ])
      assert.match(stdout, words);
  });

  test('is a page of Markdown, in which a label cannot break the table', async () => {
    const { code, stdout } = await run(['privacy', '--format', 'markdown']);
    assert.equal(code, 0);
    assert.match(stdout, /^# Record of processing/);
    assert.match(stdout, /^## Who may read it$/m);
    assert.match(stdout, /^\| Head \\\| office \| 30 \|/m);
    assert.match(stdout, /^\|---\|---:\|/m);
  });

  test('gives the same as JSON', async () => {
    const { code, stdout } = await run(['privacy', '--json']);
    assert.equal(code, 0);
    const { accounts, settings, erased, readers } = JSON.parse(stdout) as {
      accounts: Record<string, unknown>[];
      settings: Record<string, unknown>;
      erased: object;
      readers: { role: string; identities: boolean }[];
    };
    const [one] = accounts;
    assert.deepEqual(
      [
        one?.['mode'],
        one?.['user_count'],
        one?.['identity_count'],
        one?.['hashed_count'],
        one?.['rejected_count'],
      ],
      ['full', 30, 30, 0, 1],
    );
    assert.equal(settings['mode'], 'full');
    assert.deepEqual(erased, { finished: 0, unfinished: 0, forgotten: 0, first_at: null, last_at: null });
    assert.ok(readers.some(({ identities }) => identities));
  });

  test('says that accounts are kept in another mode than PII_MODE, and what mode none means for lookups', async () => {
    const { stdout } = await run(['privacy'], { PII_MODE: 'none', COLUMNS: '400' });
    assert.match(stdout, /^PII_MODE is none: no email and no name is kept\.$/m);
    assert.match(stdout, /At least one account is kept in another way than PII_MODE and PII_KEY say/);
    assert.match(stdout, /cleared only if their\s+record is gone \(404\), or shows a reset/);
  });

  test('works without the key, because it reads no hash', async () => {
    const { code } = await run(['privacy'], { PII_MODE: 'pseudonymous' });
    assert.equal(code, 0);
  });
});

describe('privacy apply', () => {
  test('refuses a missing or weak key, unknown options, and a database that is not there', async () => {
    const missing = await run(['privacy', 'apply'], { PII_MODE: 'pseudonymous' });
    assert.equal(missing.code, 78);
    assert.match(missing.stderr, /PII_KEY: must be set when PII_MODE is pseudonymous/);
    const weak = await run(['privacy', 'apply'], { PII_MODE: 'pseudonymous', PII_KEY: 'secret' });
    assert.equal(weak.code, 78);
    assert.match(weak.stderr, /PII_KEY: must be at least 32 random bytes in base64/);
    assert.ok(!weak.stderr.includes('secret'));
    assert.equal((await run(['privacy', 'apply'], { PII_MODE: 'some' })).code, 78);
    assert.equal((await run(['privacy', 'apply', '--format', 'csv'])).code, 64);
    assert.equal((await run(['privacy', 'forget'])).code, 64);
    const away = await run(['privacy', 'apply'], { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/risk' });
    assert.equal(away.code, 75);
  });

  test('says what it would do, does it, and finds nothing to do afterwards', async () => {
    const dry = await run(['privacy', 'apply', '--dry-run'], PSEUDONYMOUS);
    assert.deepEqual([dry.code, dry.stdout], [0, 'Head | office: 29 identities would be rewritten\n']);
    const done = await run(['privacy', 'apply'], PSEUDONYMOUS);
    assert.deepEqual(
      [done.code, done.stdout, done.stderr],
      [0, 'Head | office: pseudonymous; 29 identities rewritten, 1 rejected record\n  deleted\n', ''],
    );
    const again = await run(['privacy', 'apply', '--json'], PSEUDONYMOUS);
    assert.deepEqual(JSON.parse(again.stdout), [
      {
        account_id: account.id,
        label: 'Head | office',
        mode: 'pseudonymous',
        changed: false,
        identities: 0,
        rejected: 0,
      },
    ]);
    const { stdout } = await run(['privacy'], PSEUDONYMOUS);
    assert.match(stdout, /Head \| office +pseudonymous +[0-9a-f]{8} +\d{4}-\d\d-\d\d +0 +29/);
    assert.doesNotMatch(stdout, /in another way/);
  });

  test('afterwards, people are found by email with the key, and without the key the message says so', async () => {
    const { email } = account.people[2]!;
    const found = await run(['history', email!.toUpperCase()], PSEUDONYMOUS);
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout, new RegExp(account.people[2]!.user_id));
    for (const env of [{}, { PII_KEY: keyOf(83) }]) {
      const refused = await run(['history', email!], env);
      assert.equal(refused.code, 78);
      assert.match(refused.stderr, /^error PII_KEY_NEEDED/);
      assert.ok(!refused.stderr.includes(email!));
    }
    const unknown = await run(['history', 'nobody@example.com'], PSEUDONYMOUS);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^error USER_NOT_FOUND/);
    const part = await run(['users', '--identities', '--search', 'person'], PSEUDONYMOUS);
    assert.match(part.stderr, /only a whole email, or a whole name as\s+served, finds them/);
    const whole = await run(['users', '--identities', '--search', email!, '--json'], PSEUDONYMOUS);
    assert.equal((JSON.parse(whole.stdout) as unknown[]).length, 1);
    const locked = await run(['users', '--identities', '--search', email!, '--json']);
    assert.deepEqual(JSON.parse(locked.stdout), []);
    assert.match(locked.stderr, /a key that is\s+not in PII_KEY/);
  });

  test('asks on a terminal, and changes nothing without a yes', async () => {
    const answer = (text: string) => Object.assign(Readable.from([text]), { isTTY: true });
    const env = { DATABASE_URL: db.url, PII_MODE: 'none' };
    const no = await runCommand(['privacy', 'apply'], env, undefined, answer('n\n'));
    assert.deepEqual([no.code, no.stdout], [1, '']);
    assert.match(no.stderr, /29 versions of email and name in 1 account will be removed/);
    assert.match(no.stderr, /Nothing was changed\.\n$/);
    const yes = await runCommand(['privacy', 'apply'], env, undefined, answer('y\n'));
    assert.equal(yes.stdout, 'Head | office: none; 29 identities rewritten, 0 rejected records deleted\n');
    for (const [command, ...options] of [['erase'], ['person', '--out', '-']]) {
      const lost = await runCommand([command!, 'somebody@example.com', ...options], env);
      assert.equal(lost.code, 1);
      assert.match(
        lost.stderr,
        /USER_NOT_FOUND: No email is kept[^]*PII_MODE is none[^]*Give the whole user id/,
      );
      assert.doesNotMatch(lost.stderr, /somebody/);
    }
    const full = await runCommand(['privacy', 'apply'], { DATABASE_URL: db.url }, undefined, answer(''));
    assert.equal(full.stdout, 'Head | office: full from now on\n');
  });
});

describe('privacy apply beside a run', () => {
  let own: MigratedDatabase;
  before(async () => {
    own = await migratedDatabase();
    await servedAccount(own.pool, 5).succeed();
  });
  after(() => own.close());

  const apply = (controls: Controls) =>
    runCommand(
      ['privacy', 'apply'],
      { DATABASE_URL: own.url, ...PSEUDONYMOUS },
      undefined,
      undefined,
      false,
      controls,
    );

  test('an interruption while it waits changes no identity, and says that no run starts until it is complete', async () => {
    const leases = leasesOf(own);
    const [known] = await own.rows<{ account_id: string }>('select account_id from risk.accounts');
    const lease = await leases.claimed(known!.account_id);
    const served = () => own.rows(`select * from risk.user_identities order by user_key, valid_from`);
    const before = await served();
    const interrupt = new AbortController();
    const stopped = await apply({
      signal: interrupt.signal,
      onStderr: (text) => text.includes('Waiting for run') && interrupt.abort(interruption()),
    });
    assert.equal(stopped.code, 75);
    assert.equal(stopped.stdout, '');
    assert.match(
      stopped.stderr.replace(/\s+/g, ' '),
      new RegExp(
        `^Waiting for run ${lease.runId} of account ${known!.account_id} error INTERRUPTED: Stopped by SIGINT.*The change is not complete.*no run of the account starts.*apply\` again`,
      ),
    );
    const plain = () => own.rows(`select from risk.user_identities where email like '%@%'`);
    assert.deepEqual(await served(), before);

    // The command reports the wait once, and completes the change when the run has ended.
    let isReleased = false;
    const done = await apply({
      onStderr() {
        if (!isReleased) setTimeout(() => void leases.release(lease), 1_500);
        isReleased = true;
      },
    });
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stderr.match(/Waiting for run/g)?.length, 1);
    assert.match(done.stdout, /pseudonymous; 4 identities rewritten/);
    assert.equal((await plain()).length, 0);
  });

  test('on a terminal it says that emails and names become hashes; Ctrl-C at the question changes nothing', async () => {
    const asked = await migratedDatabase();
    try {
      await servedAccount(asked.pool, 5).succeed();
      const served = () => asked.rows('select * from risk.user_identities order by user_key');
      const before_ = await served();
      const interrupt = new AbortController();
      const typed = new Readable({ read() {} });
      const env = { DATABASE_URL: asked.url, ...PSEUDONYMOUS };
      const stopped = await runCommand(['privacy', 'apply'], env, undefined, typed, true, {
        signal: interrupt.signal,
        onStderr: (text) => text.includes('[y/N]') && interrupt.abort(interruption()),
      });
      assert.deepEqual([stopped.code, stopped.stdout], [75, '']);
      assert.match(stopped.stderr, /4 versions of email and name in 1 account will become hashes/);
      assert.match(stopped.stderr, /error INTERRUPTED/);
      assert.deepEqual(await served(), before_);
    } finally {
      await asked.close();
    }
  });

  test('a VACUUM that is refused afterwards is reported, and the change is complete', async () => {
    const vacuumed = await migratedDatabase();
    const other = await vacuumed.pool.connect();
    try {
      await servedAccount(vacuumed.pool, 5).succeed();
      await other.query('begin');
      // Blocks a VACUUM, and nothing that writes rows.
      await other.query('lock table risk.user_identities in share update exclusive mode');
      const done = runCommand(['privacy', 'apply'], { DATABASE_URL: vacuumed.url, ...PSEUDONYMOUS });
      await untilLockWaiters(vacuumed.pool);
      await vacuumed.rows(
        `select pg_cancel_backend(pid) from pg_stat_activity
          where datname = current_database() and query ilike 'vacuum%' and wait_event_type = 'Lock'`,
      );
      const { code, stdout, stderr } = await done;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^VACUUM was refused: /);
      assert.match(stdout, /pseudonymous; 4 identities rewritten/);
    } finally {
      await other.query('rollback');
      other.release();
      await vacuumed.close();
    }
  });

  test('without any account, it says so, and as JSON the list is empty', async () => {
    const empty = await migratedDatabase();
    try {
      const env = { DATABASE_URL: empty.url, ...PSEUDONYMOUS };
      assert.match((await runCommand(['privacy', 'apply'], env)).stdout, /^No account was ever synced here/);
      assert.deepEqual(
        JSON.parse((await runCommand(['privacy', 'apply', '--format', 'json'], env)).stdout),
        [],
      );
    } finally {
      await empty.close();
    }
  });
});
