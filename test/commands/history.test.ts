// `history <user>`: what it prints, and which user is meant.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { uuidOf } from '../support/world/random-world.ts';
import {
  day,
  events,
  flat,
  ONE,
  text,
  toldHistory,
  type ToldHistory,
  TWO,
} from '../support/histories/told-history.ts';
import { runCommand } from '../support/run-command.ts';

let told: ToldHistory;
before(async () => {
  told = await toldHistory();
});
after(() => told.close());
const history = (...args: string[]) => told.history(...args);

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
    await told.db.pool.query(
      `insert into risk_internal.lookups (account_key, user_key, run_id, asked_at, outcome)
       select account_key, user_key, 11, $2, 'unreadable' from risk.users where user_id = $1`,
      [uuidOf('joe'), day(11)],
    );
    const asked = flat(await text(history(uuidOf('joe'))));
    await told.db.pool.query(`delete from risk_internal.lookups where outcome = 'unreadable'`);
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
      'erased_at',
      'last_lookup',
      'events',
      'events_left_out',
      'whole_since',
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

describe('history for a database role that may not read everything', () => {
  it('still tells why users were cleared, as far as the history itself says so', async () => {
    const stdout = flat(await text(told.asReader(uuidOf('ada'))));
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
      flat(await text(told.asReader(uuidOf('joe')))),
      /This database role may not see what the user's own record says\.$/m,
    );
  });

  it('refuses emails and names, with exit 77', async () => {
    for (const args of [['eve@example.com'], [uuidOf('ada'), '--identities']]) {
      const result = await told.asReader(...args);
      assert.equal(result.code, 77);
      assert.match(result.stderr, /^error IDENTITIES_DENIED/);
      assert.doesNotMatch(result.stderr, /@/);
    }
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
      const result = await runCommand(['history', who], { DATABASE_URL: told.db.url, LOG_LEVEL: 'debug' });
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
    const wide = { DATABASE_URL: told.db.url, COLUMNS: '160' };
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
