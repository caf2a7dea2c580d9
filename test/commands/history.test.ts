// `history <user>` in its own process, over a history written by hand: every way to appear, to clear and to be found.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const ONE = '1'.repeat(32);
const TWO = '2'.repeat(32);
const day = (n: number, hour = 10) =>
  `2026-03-${String(n).padStart(2, '0')}T${String(hour).padStart(2, '0')}:00:00Z`;
const working = { evidence: { lookups: { state: 'working', asked: 1 } } };
const ROLE = `reader_${randomBytes(6).toString('hex')}`;

let db: MigratedDatabase;
let readerUrl: string;

before(async () => {
  db = await migratedDatabase();
  const sample = sampleHistory(db.pool);
  const [one, two] = [await sample.account(ONE, 'Head \u001b[2Joffice'), await sample.account(TWO)];
  const runs: number[] = [];
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    runs.push(
      await sample.snapshot(one, day(n), {
        verdict: n === 6 ? 'partial' : 'complete',
        is_baseline: n === 1,
        ...(n === 5 || n === 10 || n === 12 ? working : {}),
      }),
    );
  await sample.snapshot(two, day(2), { is_baseline: true });

  // Ada: everything that can happen, including a rename.
  const ada = await sample.user({
    account_key: one,
    user_id: uuidOf('ada'),
    first_seen_at: day(1),
    identity_since: day(3),
    cleared_at: day(12),
    event_count: 1_234,
    last_event: '2026-03-11T09:30:00.123456Z',
  });
  const of = (user_key: number) => ({ account_key: one, user_key });
  await sample.levels([
    {
      ...of(ada),
      valid_from: day(1),
      valid_to: day(2),
      max_risk_level: 'low',
      change: 'appeared',
      end_reason: 'changed',
    },
    {
      ...of(ada),
      valid_from: day(2),
      valid_to: day(3),
      max_risk_level: 'high',
      previous_level: 'low',
      change: 'raised',
      end_reason: 'changed',
    },
    {
      ...of(ada),
      valid_from: day(3),
      valid_to: day(5),
      max_risk_level: 'medium',
      previous_level: 'high',
      change: 'lowered',
      end_reason: 'reset',
      absent_since: day(5),
      last_reset_time: day(4, 22),
    },
    {
      ...of(ada),
      valid_from: day(6),
      valid_to: day(8),
      max_risk_level: 'low',
      change: 'returned',
      end_reason: 'absent',
      absent_since: day(7),
    },
    {
      ...of(ada),
      valid_from: day(9),
      valid_to: day(10),
      max_risk_level: 'low',
      change: 'returned',
      end_reason: 'absent',
      absent_since: day(10),
    },
    {
      ...of(ada),
      valid_from: day(11),
      valid_to: day(12),
      max_risk_level: 'low',
      change: 'returned',
      end_reason: 'absent',
      absent_since: day(12),
    },
  ]);
  await sample.lookup({ ...of(ada), run_id: runs[11] ?? 0, asked_at: day(12), outcome: 'no_level' });
  await sample.identities([
    { ...of(ada), valid_from: day(1), valid_to: day(3), email: 'ada@example.com', name: 'Ada' },
    { ...of(ada), valid_from: day(3), email: 'Countess@example.com', name: 'Ada \u001b[31mLovelace' },
  ]);

  // Bob: absent, and his record was asked. He is in both accounts.
  const bob = await sample.user({
    account_key: one,
    user_id: uuidOf('bob'),
    max_risk_level: 'high',
    level_since: day(2),
    first_seen_at: day(2),
    absent_since: day(5),
  });
  await sample.levels([{ ...of(bob), valid_from: day(2), max_risk_level: 'high', change: 'appeared' }]);
  await sample.lookup({ ...of(bob), run_id: runs[10] ?? 0, asked_at: day(11), outcome: 'level' });
  await sample.identities([{ ...of(bob), valid_from: day(2), email: 'ada@example.com', name: 'Bob' }]);
  const otherBob = await sample.user({
    account_key: two,
    user_id: uuidOf('bob'),
    max_risk_level: 'low',
    level_since: day(2),
    first_seen_at: day(2),
  });
  await sample.levels([
    { account_key: two, user_key: otherBob, valid_from: day(2), max_risk_level: 'low', change: 'appeared' },
  ]);

  // Eve: the API has no record of her. Joe: absent, never asked.
  const eve = await sample.user({
    account_key: one,
    user_id: uuidOf('eve'),
    first_seen_at: day(2),
    cleared_at: day(12),
  });
  await sample.levels([
    {
      ...of(eve),
      valid_from: day(2),
      valid_to: day(12),
      max_risk_level: 'low',
      change: 'appeared',
      end_reason: 'absent',
      absent_since: day(11),
    },
  ]);
  await sample.lookup({ ...of(eve), run_id: runs[11] ?? 0, asked_at: day(12), outcome: 'not_found' });
  await sample.identities([{ ...of(eve), valid_from: day(2), email: 'eve@example.com', name: null }]);
  const joe = await sample.user({
    account_key: one,
    user_id: uuidOf('joe'),
    max_risk_level: 'low',
    level_since: day(2),
    first_seen_at: day(2),
    absent_since: day(6),
  });
  await sample.levels([{ ...of(joe), valid_from: day(2), max_risk_level: 'low', change: 'appeared' }]);
  await sample.identities([{ ...of(joe), valid_from: day(2), email: 'eve@example.com', name: null }]);

  // The role that README creates for a reader without personal data.
  for (const statement of [
    `create role ${ROLE} login password 'reader'`,
    `grant usage on schema risk, risk_bi to ${ROLE}`,
    `grant select on risk.accounts, risk.sync_runs, risk.snapshots, risk.snapshot_levels, risk.users, risk.user_levels, risk.user_activity to ${ROLE}`,
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
});

const history = (...args: string[]): Promise<CliResult> =>
  runCommand(['history', ...args], { DATABASE_URL: db.url });
const asReader = (...args: string[]): Promise<CliResult> =>
  runCommand(['history', ...args], { DATABASE_URL: readerUrl });

async function text(result: Promise<CliResult>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr);
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
  assert.doesNotMatch(stdout, /\u001b|undefined|NaN|null/);
  return stdout;
}

const events = (stdout: string) => stdout.split('\n').filter((line) => line.startsWith('2026-'));
/** Joins wrapped lines again. */
const flat = (stdout: string) => stdout.replace(/\n +/g, ' ');

describe('history', () => {
  it("tells a user's history in words, oldest first, without email and name", async () => {
    const stdout = await text(history(uuidOf('ada').toUpperCase()));
    assert.doesNotMatch(stdout, /Ada|@/);
    assert.deepEqual(events(flat(stdout)), [
      '2026-03-01 10:00 UTC  appeared, low (in the first load of the account)',
      '2026-03-02 10:00 UTC  raised low → high',
      '2026-03-03 10:00 UTC  lowered high → medium',
      '2026-03-03 10:00 UTC  renamed: email and name changed',
      '2026-03-05 10:00 UTC  cleared, was medium: reset by an administrator at 2026-03-04 22:00 UTC, as their own record says (run 5)',
      '2026-03-06 10:00 UTC  returned, low, after 24 h',
      '2026-03-08 10:00 UTC  cleared, was low: absent since 2026-03-07 10:00 UTC, not met by 2 complete walks (run 8)',
      '2026-03-09 10:00 UTC  returned, low, after 24 h',
      '2026-03-10 10:00 UTC  cleared, was low: confirmed by their own record (run 10)',
      '2026-03-11 10:00 UTC  returned, low, after 24 h',
      '2026-03-12 10:00 UTC  cleared, was low: their own record shows no level (run 12)',
    ]);
    assert.match(
      flat(stdout),
      /^now {6}cleared since 2026-03-12 10:00 UTC \(\d+ days\); last met with 1,234 events, the last at 2026-03-11 09:30 UTC$/m,
    );
  });

  it("says since when a user is absent, how many walks missed the user, and what the user's own record said", async () => {
    const bob = flat(await text(history(uuidOf('bob'), '--account', ONE)));
    assert.match(
      bob,
      /Absent since 2026-03-05 10:00 UTC \(\d+ days\): not met by 7 complete and 1 partial walk\. The user's own record was asked for at 2026-03-11 10:00 UTC \(run 11\): it shows a level, so the user stays present\.$/m,
    );
    const joe = flat(await text(history(uuidOf('joe'))));
    assert.match(
      joe,
      /not met by 6 complete and 1 partial walk\. The user's own record has not been asked for yet\.$/m,
    );
    await db.pool.query(
      `insert into risk_internal.lookups (account_key, user_key, run_id, asked_at, outcome)
       select account_key, user_key, 11, $2, 'unreadable' from risk.users where user_id = $1`,
      [uuidOf('joe'), day(11)],
    );
    const asked = flat(await text(history(uuidOf('joe'))));
    await db.pool.query(`delete from risk_internal.lookups where outcome = 'unreadable'`);
    assert.match(
      asked,
      /asked for at 2026-03-11 10:00 UTC \(run 11\): the answer could not be read, contradicts itself, or names another person, so the user stays present\.$/m,
    );
  });

  it('says when the API has no record of a cleared user', async () => {
    assert.match(
      flat(await text(history(uuidOf('eve')))),
      /absent since 2026-03-11 10:00 UTC, the API no longer has a record of them \(run 12\)$/m,
    );
  });

  it('shows email and name with --identities, escaped for the terminal', async () => {
    const stdout = await text(history(uuidOf('ada'), '--identities'));
    assert.match(stdout, /^known as Ada \ufffd\[31mLovelace, Countess@example\.com$/m);
    assert.match(stdout, /^2026-03-03 10:00 UTC {2}renamed: email and name changed, now Ada /m);
  });

  it('finds a user by email, and prefers the present email to past ones', async () => {
    assert.match(await text(history('countess@EXAMPLE.com')), new RegExp(`^user {5}${uuidOf('ada')}$`, 'm'));
    assert.match(await text(history('ada@example.com')), new RegExp(`^user {5}${uuidOf('bob')}$`, 'm'));
  });

  it('keeps the newest events with --limit, and says that there are earlier ones', async () => {
    const stdout = await text(history(uuidOf('ada'), '--limit', '2'));
    assert.match(stdout, /^Earlier events are left out \(--limit\)\.$/m);
    assert.deepEqual(
      events(stdout).map((line) => line.slice(0, 10)),
      ['2026-03-11', '2026-03-12'],
    );
    const eleven = await text(history(uuidOf('ada'), '--limit', '11'));
    assert.equal(events(eleven).length, 11);
    assert.doesNotMatch(eleven, /left out/);
  });

  it('is an object for each account in JSON, and one row per event in CSV', async () => {
    const all = JSON.parse((await history(uuidOf('ada'), '--format', 'json')).stdout) as (Record<
      string,
      unknown
    > & { events: Record<string, unknown>[] })[];
    assert.equal(all.length, 1);
    const json = all[0]!;
    assert.deepEqual(Object.keys(json), [
      'account_id',
      'user_id',
      'is_present',
      'max_risk_level',
      'level_since',
      'event_count',
      'last_event',
      'first_seen_at',
      'absent_since',
      'absent_complete_walks',
      'absent_partial_walks',
      'cleared_at',
      'last_lookup',
      'events',
      'events_left_out',
    ]);
    assert.equal(json['last_event'], '2026-03-11T09:30:00.123456Z');
    assert.deepEqual(json['last_lookup'], {
      asked_at: '2026-03-12T10:00:00.000Z',
      outcome: 'no_level',
      run_id: 12,
    });
    assert.deepEqual(
      json.events.filter((event) => event['change'] === 'cleared').map((event) => event['reason']),
      ['reset', 'walks', 'own_record', 'no_level'],
    );
    const csv = (await history(uuidOf('ada'), '--format', 'csv')).stdout.trimEnd().split('\n');
    assert.equal(
      csv[0],
      'account_id,user_id,changed_at,change,from_level,to_level,reason,absent_since,last_reset_time,complete_walks,partial_walks,away_seconds,is_baseline,snapshot_id,run_id,renamed',
    );
    assert.equal(csv.length, 12);
    assert.equal(csv[1], `${ONE},${uuidOf('ada')},2026-03-01T10:00:00.000Z,appeared,,low,,,,,,,true,1,1,`);
  });
});

describe('history of an unknown or ambiguous user', () => {
  it('says that no user was found, and never repeats an email', async () => {
    const unknown = await history(uuidOf('nobody'));
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      new RegExp(`^error USER_NOT_FOUND: No user with the id ${uuidOf('nobody')} was ever met\\.`),
    );
    for (const who of ['somebody@example.org', 'Some Body']) {
      const result = await runCommand(['history', who], { DATABASE_URL: db.url, LOG_LEVEL: 'debug' });
      assert.equal(result.code, 1);
      assert.match(result.stderr, /^error USER_NOT_FOUND: No user with this email or id/);
      assert.doesNotMatch(`${result.stdout}${result.stderr}`, /somebody|Some Body/);
    }
    assert.equal((await history(uuidOf('ada'), '--account', TWO)).code, 1);
  });

  it('names the users, when several have the email', async () => {
    const users = await history('eve@example.com');
    assert.equal(users.code, 1);
    const start = `error USER_AMBIGUOUS: 2 users in account ${ONE} have or had this email: `;
    assert.ok(users.stderr.startsWith(start), users.stderr);
    const named = /: ([0-9a-f-]{36}), ([0-9a-f-]{36})\.\n/.exec(users.stderr)?.slice(1);
    assert.deepEqual(new Set(named), new Set(['eve', 'joe'].map(uuidOf)));
    assert.doesNotMatch(users.stderr, /@/);
  });

  it('names the users whose ids begin alike, and says how to list users', async () => {
    assert.deepEqual([uuidOf('bob')[0], uuidOf('eve')[0]], ['8', '8']);
    const several = await history('8');
    assert.equal(several.code, 1);
    assert.match(several.stderr, /^error USER_AMBIGUOUS: 3 users have an id that begins like this: /);
    for (const who of ['bob', 'eve']) assert.ok(several.stderr.includes(`${uuidOf(who)} in account ${ONE}`));
    const none = await history(`${uuidOf('ada').slice(0, 8)}-ffff`);
    assert.equal(none.code, 1);
    assert.match(
      none.stderr,
      /^error USER_NOT_FOUND: No user whose id begins with [0-9a-f-]+ was ever met\./,
    );
    assert.match(none.stderr, /`zt-risk-sync users --search <beginning of the id>`/);
  });
});

describe('history of a person', () => {
  it('shows every account that knows the person, or only the named ones', async () => {
    const both = await text(history(uuidOf('bob')));
    assert.deepEqual(
      [...both.matchAll(/^account {2}([12])\1{31}/gm)].map(([, digit]) => digit),
      ['1', '2'],
    );
    const one = await text(history(uuidOf('bob'), '--account', TWO));
    assert.doesNotMatch(one, new RegExp(ONE));
    const rows = JSON.parse((await history(uuidOf('bob'), '--json')).stdout) as { account_id: string }[];
    assert.deepEqual(
      rows.map(({ account_id }) => account_id),
      [ONE, TWO],
    );
  });

  it('is found by the beginning of the id, with or without dashes, in either case', async () => {
    const id = uuidOf('ada');
    const line = new RegExp(`^user {5}${id}$`, 'm');
    for (const who of [
      id.slice(0, 12),
      id.replaceAll('-', ''),
      id.replaceAll('-', '').slice(0, 11),
      id.slice(0, 14).toUpperCase(),
    ])
      assert.match(await text(history(who)), line, who);
  });

  it('shows all times in the requested zone, with their offset', async () => {
    const stdout = await text(history(uuidOf('ada'), '--timezone', 'Europe/Berlin', '--limit', '2'));
    assert.match(stdout, /^2026-03-12 11:00 \+01:00 {2}cleared/m);
    assert.doesNotMatch(stdout, /UTC/);
  });

  it('uses a wide terminal, and colours levels only where that is wanted', async () => {
    const wide = { DATABASE_URL: db.url, COLUMNS: '160' };
    const { stdout } = await runCommand(['history', uuidOf('ada')], wide);
    assert.match(stdout, /own record says \(run 5\)$/m);
    assert.doesNotMatch(stdout, /\u001b/);
    const forced = await runCommand(['history', uuidOf('ada')], { ...wide, FORCE_COLOR: '1' });
    assert.match(forced.stdout, /raised \u001b\[32mlow\u001b\[39m → \u001b\[31mhigh\u001b\[39m/);
    const csv = await runCommand(['history', uuidOf('ada'), '--format', 'csv'], {
      ...wide,
      FORCE_COLOR: '1',
    });
    assert.doesNotMatch(csv.stdout, /\u001b/);
  });
});

describe('history for a database role that may not read everything', () => {
  it('still tells why users were cleared, as far as the history itself says so', async () => {
    const stdout = flat(await text(asReader(uuidOf('ada'))));
    assert.deepEqual(
      events(stdout)
        .filter((line) => line.includes('cleared'))
        .map((line) => line.replace(/^.*: /, '')),
      [
        'reset by an administrator at 2026-03-04 22:00 UTC, as their own record says (run 5)',
        'absent since 2026-03-07 10:00 UTC, not met by 2 complete walks (run 8)',
        'confirmed by their own record (run 10)',
        'confirmed by their own record (run 12)',
      ],
    );
    assert.match(stdout, /^2026-03-03 10:00 UTC {2}renamed: email or name changed$/m);
    assert.match(stdout, /may see only the newest change of email or name\.$/m);
    assert.match(
      flat(await text(asReader(uuidOf('joe')))),
      /This database role may not see what the user's own record says\.$/m,
    );
  });

  it('refuses emails and names, with exit 77', async () => {
    for (const args of [['eve@example.com'], [uuidOf('ada'), '--identities']]) {
      const result = await asReader(...args);
      assert.equal(result.code, 77);
      assert.match(result.stderr, /^error IDENTITIES_DENIED/);
      assert.doesNotMatch(result.stderr, /@/);
    }
  });
});
