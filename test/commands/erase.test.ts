// `erase`, `erased` and `person` as people and scripts call them: who is meant, what is reported, and what is refused.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { servedAccount, type ServedAccount } from '../support/api/served-account.ts';
import { CLI } from '../support/cli.ts';
import { leasesOf } from '../support/database/claimed-leases.ts';
import { untilLockWaiters } from '../support/database/lock-waits.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { rarePerson, type RarePerson } from '../support/histories/erased-history.ts';
import { interruption, runCommand } from '../support/run-command.ts';

const NOBODY = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

describe('who is erased, and what is reported', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let folder: string;
  let one: ServedAccount;
  let two: ServedAccount;
  const people: RarePerson[] = [];
  before(async () => {
    db = await migratedDatabase();
    folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-person-'));
    [one, two] = [servedAccount(db.pool, 5), servedAccount(db.pool, 5)];
    for (let n = 0; n < 6; n++) people.push(rarePerson());
    // Two people had the same email, one after the other.
    people.push(rarePerson({ email: people[5]!.email }));
    one.people.push(...people.map((person) => ({ ...person })));
    two.people.push({ ...people[0]! });
    await one.succeed();
    await two.succeed();
    one.people = one.people.map((user) =>
      user.user_id === people[0]!.user_id
        ? { ...user, name: `${user.name} II`, max_risk_level: 'high' }
        : user,
    );
    await one.sync({
      beside: [
        { ...people[1]!, event_count: -1 },
        { ...people[0]!, event_count: 'x', user_id: NOBODY, email: 'else@example.com' },
        { email: people[0]!.email, about: 'a stray record' },
      ],
    });
  });
  after(async () => {
    await db.close();
    await rm(folder, { recursive: true, force: true });
  });

  const command = (args: string[], stdin?: string) =>
    runCommand(
      args,
      { DATABASE_URL: db.url },
      folder,
      stdin === undefined ? undefined : Readable.from([stdin]),
    );
  const refused = async (args: string[], code: number, error: string, ...without: (string | null)[]) => {
    const result = await command(args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, new RegExp(error));
    for (const text of without)
      assert.ok(!`${result.stdout}${result.stderr}`.includes(text ?? '-'), text ?? '');
  };

  test('a reader of person that stops early is no error', async () => {
    const args = [CLI, 'person', people[4]!.user_id, '--out', '-'];
    const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: db.url };
    const child = spawn(process.execPath, args, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /error/);
  });

  test('person writes everything that is held in every account, into a file that only its owner can read', async () => {
    const file = path.join(folder, 'person.json');
    const { code, stdout, stderr } = await command([
      'person',
      people[0]!.email!.toUpperCase(),
      '--out',
      file,
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /2 accounts, 3 versions of email\s+and name, 3 periods/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const text = await readFile(file, 'utf8');
    const told = JSON.parse(text) as Record<string, unknown> & { accounts: Record<string, unknown>[] };
    assert.deepEqual(Object.keys(told), ['format', 'made_at', 'user_id', 'erasure', 'accounts']);
    assert.deepEqual(
      [told['format'], told['user_id'], told['erasure']],
      ['zt-risk-sync/person/1', people[0]!.user_id, null],
    );
    const [first, second] = told.accounts;
    assert.deepEqual([first?.['account_id'], second?.['account_id']], [one.id, two.id]);
    assert.deepEqual(Object.keys(first!), [
      'account_id',
      'account_label',
      'user_id',
      'erased_at',
      'state',
      'last_lookup',
      'unsure_rejected_records',
      'identities',
      'levels',
      'activity',
      'rejected_records',
      'runs',
    ]);
    const names = (first!['identities'] as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names, [people[0]!.name, `${people[0]!.name} II`]);
    assert.deepEqual(
      (first!['rejected_records'] as { record: string }[]).map(({ record }) => JSON.parse(record)),
      [{ email: people[0]!.email, about: 'a stray record' }],
    );
    // It has the name, and belongs to another user.
    assert.equal(first!['unsure_rejected_records'], 1);
    for (const person of people.slice(1)) assert.ok(!text.includes(person.user_id));
    assert.deepEqual((await readdir(folder)).toSorted(), ['person.json']);
    const piped = await command(['person', '-', '--out', '-'], `${people[0]!.user_id}\nnot read\n`);
    assert.equal(piped.code, 0);
    assert.deepEqual((JSON.parse(piped.stdout) as typeof told).accounts, told.accounts);
  });

  test('an uncertain person is refused, and an email is never repeated', async () => {
    const [shared] = [people[5]!.email!];
    for (const args of [
      ['erase', 'ada'],
      ['erase', NOBODY.slice(0, 8)],
      // Nothing is on the standard input.
      ['erase', '-'],
      ['person', 'ada', '--out', '-'],
    ])
      await refused(args, 64, 'PERSON_UNCLEAR', 'ada"');
    await refused(['erase', 'unknown@example.com'], 1, 'USER_NOT_FOUND', 'unknown@example.com');
    await refused(
      ['person', 'unknown@example.com', '--out', '-'],
      1,
      'USER_NOT_FOUND',
      'unknown@example.com',
    );
    await refused(['erase', 'f'.repeat(32)], 1, 'USER_NOT_FOUND');
    await refused(['erase', shared], 1, `USER_AMBIGUOUS[^]*${people[6]!.user_id}`, shared);
    await refused(['person', shared, '--out', '-'], 1, 'USER_AMBIGUOUS', shared);
    await refused(['erase', people[0]!.user_id, '--once', '--forget'], 64, 'cannot be used');
    await refused(['erase'], 64, 'missing required argument');
    await refused(['person', people[0]!.user_id], 64, 'required option');
    await refused(['erased', 'release', 'ada'], 64, 'whole user id');
    await refused(['erased', 'release', NOBODY], 1, 'USER_NOT_FOUND');
    assert.match((await command(['erased'])).stdout, /^Nobody was erased/);
  });

  test('on a terminal, erase asks first, and erases nothing without a yes', async () => {
    const { user_id: userId, email } = people[3]!;
    for (const answer of ['no\n', 'y\n', '\n']) {
      const asked = await runCommand(
        ['erase', userId],
        { DATABASE_URL: db.url },
        folder,
        Readable.from([answer]),
        true,
      );
      assert.equal(asked.code, 1, asked.stderr);
      assert.match(asked.stderr, /Type yes to erase: .*Nothing was erased\.\n$/s);
      assert.equal(asked.stdout, '');
    }
    const { stdout } = await command(['person', userId, '--out', '-']);
    assert.ok(stdout.includes(email!), 'the person is still there');
  });

  test('a person who was erased is shown as erased, is found by the real id, and stays forgotten with --once', async () => {
    const erased = await command(['erase', people[0]!.email!]);
    assert.equal(erased.code, 0, erased.stderr);
    assert.match(erased.stdout, /^[0-9a-f-]{36}: erased from 2 accounts; 3 versions[^]*docs\/erasure\.md/);
    const standIn = erased.stdout.slice(0, 36);
    const history = await command(['history', standIn, '--identities']);
    assert.match(history.stdout, /^erased +at /m);
    assert.doesNotMatch(history.stdout, /known as/);
    const list = await command(['users', '--identities', '--search', standIn]);
    assert.match(list.stdout, /\berased\b/);
    const rows = JSON.parse((await command(['users', '--json', '--search', standIn])).stdout) as {
      erased_at: string;
    }[];
    assert.ok(rows.every(({ erased_at }) => erased_at !== null) && rows.length === 2);
    assert.equal((await command(['history', people[0]!.user_id])).code, 1);

    const told = JSON.parse((await command(['person', people[0]!.user_id, '--out', '-'])).stdout) as {
      erasure: { user_id: string; mode: string };
      accounts: { user_id: string; identities: { email: null }[] }[];
    };
    assert.deepEqual([told.erasure.user_id, told.erasure.mode], [standIn, 'forget']);
    assert.deepEqual(
      told.accounts.map(({ user_id }) => user_id),
      [standIn, standIn],
    );
    assert.ok(told.accounts.every(({ identities }) => identities.every(({ email }) => email === null)));

    const again = await command(['erase', people[0]!.user_id, '--once']);
    assert.match(again.stdout, /forgotten before, and stays so/);
    const erasedRows = JSON.parse((await command(['erased', '--json'])).stdout) as Record<string, unknown>[];
    assert.equal(erasedRows.length, 1);
    assert.deepEqual(
      [
        erasedRows[0]!['user_id'],
        erasedRows[0]!['mode'],
        erasedRows[0]!['accounts'],
        erasedRows[0]!['identities'],
      ],
      [standIn, 'forget', 2, 3],
    );
    assert.equal((await command(['erased', 'release', standIn])).code, 0);
    assert.equal((await command(['person', people[0]!.user_id, '--out', '-'])).code, 1);
    assert.equal((await command(['erased', 'release', standIn])).code, 0);
  });

  test('--all erases all people with an email, and --forget forgets an unknown id in advance', async () => {
    const all = await command(['erase', people[5]!.email!, '--all', '--json']);
    assert.equal(all.code, 0, all.stderr);
    assert.equal((JSON.parse(all.stdout) as unknown[]).length, 2);
    const coming = rarePerson();
    assert.equal((await command(['erase', coming.user_id, '--forget'])).code, 0);
    one.people.push({ ...coming });
    await one.sync();
    const texts = JSON.stringify(await db.rows('select * from risk.user_identities'));
    assert.ok(!texts.includes(coming.email!) && !texts.includes(people[5]!.email!));
  });

  test('a database that was never migrated or cannot be reached is reported', async () => {
    const away = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    for (const args of [['erase', NOBODY], ['erased'], ['person', NOBODY, '--out', '-']])
      assert.equal((await runCommand(args, away, folder)).code, 75, args[0]);
  });
});

describe(
  'an erasure during a run, on a terminal, and by a role without the right',
  { concurrency: false },
  () => {
    let db: MigratedDatabase;
    let account: ServedAccount;
    let folder: string;
    const people = [rarePerson(), rarePerson(), rarePerson()];
    people.push(rarePerson({ email: people[2]!.email }));
    const stray = rarePerson();
    before(async () => {
      db = await migratedDatabase();
      folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-erase-'));
      account = servedAccount(db.pool, 3);
      account.people.push(...people.map((person) => ({ ...person })));
      await account.succeed();
      await account.sync({ beside: [{ email: stray.email, about: 'nobody knows whose this is' }] });
    });
    after(async () => {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    });
    const env = () => ({ DATABASE_URL: db.url });
    const heldOf = async (id: string) => (await runCommand(['person', id, '--out', '-'], env())).code === 0;

    test('says once which run it waits for; when interrupted, it says that it is unfinished, and is listed as unfinished', async () => {
      const leases = leasesOf(db);
      const lease = await leases.claimed(account.id);
      const { user_id: userId } = people[0]!;
      const interrupt = new AbortController();
      const stopped = await runCommand(['erase', userId], env(), folder, undefined, false, {
        signal: interrupt.signal,
        onStderr: (text) =>
          text.includes('is under way') && setTimeout(() => interrupt.abort(interruption()), 1_200),
      });
      assert.equal(stopped.code, 75, stopped.stderr);
      assert.equal(stopped.stdout, '');
      const said = stopped.stderr.replace(/\s+/g, ' ');
      assert.equal(said.match(/is under way/g)?.length, 1);
      assert.match(
        said,
        new RegExp(
          `Run ${lease.runId} of account ${account.id} is under way on host here: the erasure continues`,
        ),
      );
      assert.match(said, /error INTERRUPTED: The erasure was interrupted.*rest of the person is still there/);
      const listed = async () =>
        (
          JSON.parse((await runCommand(['erased', '--json'], env())).stdout) as {
            finished_at: string | null;
          }[]
        ).map(({ finished_at }) => finished_at !== null);
      assert.deepEqual(await listed(), [false]);

      // The same command goes on, once the run has ended.
      const goesOn = runCommand(['erase', userId], env(), folder, undefined, false, {
        onStderr: (text) => text.includes('is under way') && void leases.release(lease),
      });
      assert.equal((await goesOn).code, 0);
      assert.deepEqual(await listed(), [true]);
      assert.equal((await db.rows('select from risk.users where user_id = $1', [userId])).length, 0);
    });

    test('Ctrl-C at the question erases nothing and exits 75', async () => {
      const { user_id: userId } = people[1]!;
      const erasures = () => db.rows('select * from risk_internal.erased_people');
      const before_ = await erasures();
      const interrupt = new AbortController();
      const typed = new Readable({ read() {} });
      const asked = await runCommand(['erase', userId], env(), folder, typed, true, {
        signal: interrupt.signal,
        onStderr: (text) => text.includes('Type yes to erase') && interrupt.abort(interruption()),
      });
      assert.equal(asked.code, 75);
      assert.match(asked.stderr, /INTERRUPTED/);
      assert.equal(asked.stdout, '');
      assert.ok(await heldOf(userId));
      assert.deepEqual(await erasures(), before_, 'none was begun');
    });

    test('on a terminal, all people with the email are shown before the question, and a yes erases them', async () => {
      const [one, other] = [people[2]!, people[3]!];
      const answer = async (text: string) =>
        runCommand(['erase', one.email!], env(), folder, Readable.from([text]), true);
      const no = await answer('no\n');
      assert.equal(no.code, 1);
      for (const { user_id: userId } of [one, other]) {
        assert.ok(no.stderr.includes(userId));
        assert.ok(await heldOf(userId));
      }
      const yes = await answer(' YES\n');
      assert.equal(yes.code, 0, yes.stderr);
      assert.equal(yes.stdout.match(/: erased from 1 account/g)?.length, 2);
      assert.equal(
        (await db.rows(`select from risk.user_identities where email = $1`, [one.email])).length,
        0,
      );
    });

    test('if only a record without a user mentions an email, person prints the record, and erase deletes it', async () => {
      const told = await runCommand(['person', stray.email!, '--out', '-'], env());
      assert.equal(told.code, 0, told.stderr);
      const { user_id: userId, accounts } = JSON.parse(told.stdout) as {
        user_id: null;
        accounts: { rejected_records: { record: string }[] }[];
      };
      assert.equal(userId, null);
      assert.deepEqual(
        accounts.flatMap(({ rejected_records: records }) =>
          records.map(({ record }) => JSON.parse(record) as object),
        ),
        [{ email: stray.email, about: 'nobody knows whose this is' }],
      );
      const erased = await runCommand(['erase', stray.email!, '--json'], env());
      assert.equal(erased.code, 0, erased.stderr);
      const [row] = JSON.parse(erased.stdout) as { mode: string; rejected: number }[];
      assert.deepEqual([row?.mode, row?.rejected], ['once', 1]);
      assert.equal((await db.rows('select from risk_internal.rejected_records')).length, 0);
      assert.equal((await runCommand(['erase', stray.email!], env())).code, 1);
    });

    test('a role that may not read emails erases no person, and gets no file', async () => {
      const role = `erase_reader_${process.pid}`;
      await db.rows(`create role ${role} login password 'reader'`);
      try {
        for (const schema of ['risk', 'risk_internal']) {
          await db.rows(`grant usage on schema ${schema} to ${role}`);
          await db.rows(`grant select on all tables in schema ${schema} to ${role}`);
        }
        await db.rows(`revoke select on risk.user_identities from ${role}`);
        const url = Object.assign(new URL(db.url), { username: role, password: 'reader' }).href;
        const { user_id: userId } = people[1]!;
        for (const args of [
          ['erase', userId, '--yes'],
          ['person', userId, '--out', path.join(folder, 'denied.json')],
        ]) {
          const denied = await runCommand(args, { DATABASE_URL: url });
          assert.equal(denied.code, 77, denied.stderr);
          assert.match(denied.stderr, /error IDENTITIES_DENIED/);
          assert.equal(denied.stdout, '');
        }
        assert.ok(!(await readdir(folder)).includes('denied.json'));
        assert.ok(await heldOf(userId));
      } finally {
        await db.rows(`drop owned by ${role}`);
        await db.rows(`drop role ${role}`);
      }
    });

    test('a file that cannot be written is named', async () => {
      const { user_id: userId } = people[1]!;
      const file = path.join(folder, `${'x'.repeat(300)}.json`);
      const failed = await runCommand(['person', userId, '--out', file], env());
      assert.equal(failed.code, 1, failed.stderr);
      assert.match(failed.stderr, /error OUTPUT_FAILED[^]*ENAMETOOLONG/);
      assert.deepEqual(await readdir(folder), []);
    });

    test('an interruption in the middle of the file leaves no file', async () => {
      const { user_id: userId } = people[1]!;
      const interrupt = new AbortController();
      const blocker = await db.pool.connect();
      try {
        await blocker.query('begin');
        await blocker.query('lock table risk.user_activity in access exclusive mode');
        const stopped = runCommand(
          ['person', userId, '--out', path.join(folder, 'person.json')],
          env(),
          folder,
          undefined,
          false,
          { signal: interrupt.signal },
        );
        await untilLockWaiters(db.pool, 1);
        assert.equal((await readdir(folder)).length, 1, 'it was begun');
        interrupt.abort(interruption());
        const { code, stdout, stderr } = await stopped;
        assert.deepEqual([code, stdout], [75, ''], stderr);
        assert.match(stderr, /error INTERRUPTED/);
        assert.deepEqual(await readdir(folder), []);
      } finally {
        await blocker.query('rollback');
        blocker.release();
      }
    });
  },
);
