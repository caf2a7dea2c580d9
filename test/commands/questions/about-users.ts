// What `users` says of the present, of earlier times, and of one person, compared with the oracle.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UserState } from '../../support/oracle/oracle.ts';
import { expectedUsers } from '../../support/oracle/reporting/users.ts';
import type { Row } from '../../support/oracle/reporting/past.ts';
import {
  byId,
  iso,
  LEVELS,
  pick,
  snapshotsOf,
  type LivedPasts,
} from '../../support/histories/lived-pasts.ts';

const told = (userId: string, user: UserState): Row => ({
  user_id: userId,
  max_risk_level: user.level,
  event_count: user.eventCount,
  level_since: user.levelSince === null ? null : iso(user.levelSince),
  first_seen_at: iso(user.firstSeenAt),
  absent_since: user.absentSince === null ? null : iso(user.absentSince),
  cleared_at: user.clearedAt === null ? null : iso(user.clearedAt),
  is_present: user.level !== null,
});

const TOLD = [
  'user_id',
  'max_risk_level',
  'event_count',
  'level_since',
  'first_seen_at',
  'absent_since',
  'cleared_at',
  'is_present',
];

/** expectedUsers returns the counters in its other list. */
function countsOf(asOf: readonly Row[], row: Row): Row {
  return { event_count: asOf.find((one) => one['user_id'] === row['user_id'])!['event_count'] };
}

export function aboutUsers(lived: () => LivedPasts): void {
  describe('users', () => {
    it('are the present users, highest level first, without the users of a retired account', async () => {
      const rows = await lived().ask('users');
      const expected = lived()
        .pasts.filter(({ retiredAt }) => retiredAt === null)
        .flatMap(({ oracle }) =>
          [...oracle.users].filter(([, { level }]) => level !== null).map(([id, user]) => told(id, user)),
        );
      assert.ok(expected.length > 5);
      assert.deepEqual(byId(rows.map((row) => pick(row, TOLD))), byId(expected));
      for (const { accountId } of lived().pasts) {
        const ranks = rows
          .filter((row) => row['account_id'] === accountId)
          .map((row) => LEVELS.indexOf(row['max_risk_level'] as string));
        assert.deepEqual(
          ranks,
          ranks.toSorted((a, b) => a - b),
        );
      }
      assert.ok(rows.every((row) => !('email' in row) && !('name' in row)));
    });

    it('can be limited to one level, to cleared users, or to a retired account', async () => {
      for (const past of lived().pasts) {
        for (const levels of [['high'], ['cleared'], ['low', 'cleared']]) {
          const args = levels.flatMap((level) => ['--level', level]);
          const rows = await lived().ask('users', '--account', past.accountId, ...args);
          const expected = [...past.oracle.users].filter(([, { level }]) =>
            levels.includes(level ?? 'cleared'),
          );
          assert.deepEqual(
            byId(rows.map((row) => pick(row, TOLD))),
            byId(expected.map(([id, user]) => told(id, user))),
          );
        }
      }
    });

    it('at an earlier time come from the newest snapshot at that time, with the names of that time', async () => {
      let named = 0;
      for (const past of lived().pasts) {
        const snapshots = snapshotsOf(past);
        for (const snapshot of [
          snapshots[0]!,
          snapshots[Math.floor(snapshots.length / 2)]!,
          snapshots.at(-1)!,
        ]) {
          const instant = snapshot.at + 60_000n;
          const rows = await lived().ask(
            'users',
            '--as-of',
            iso(instant),
            '--account',
            past.accountId,
            '--identities',
          );
          const expected = expectedUsers(past, snapshot.at);
          assert.deepEqual(
            byId(rows.map((row) => pick(row, ['user_id', 'max_risk_level', 'event_count', 'email', 'name']))),
            byId(
              expected.rebuilt
                .map((row) => pick(row, ['user_id', 'max_risk_level', 'event_count', 'email', 'name']))
                .map((row) => ({ ...row, ...countsOf(expected.asOf, row) })),
            ),
          );
          for (const row of rows) {
            const user = snapshot.state.get(row['user_id'] as string)!;
            assert.equal(row['level_since'], iso(user.levelSince!));
            assert.equal(row['snapshot_id'], snapshot.snapshotId);
            if (row['email'] !== null) named++;
          }
        }
      }
      assert.ok(named > 0);
    });

    it('are sorted as requested, and found by the beginning of their id', async () => {
      const past = lived().main;
      const account = [
        '--account',
        past.accountId,
        '--level',
        'low',
        '--level',
        'medium',
        '--level',
        'high',
        '--level',
        'cleared',
      ];
      const all = await lived().ask('users', ...account);
      for (const [sort, of] of [
        ['events', (row: Row) => row['event_count']],
        ['last-event', (row: Row) => row['last_event']],
        ['first-seen', (row: Row) => row['first_seen_at']],
        ['since', (row: Row) => row['level_since'] ?? row['cleared_at']],
      ] as const) {
        const rows = await lived().ask('users', ...account, '--sort', sort);
        assert.equal(rows.length, all.length);
        const keys = rows.map(of) as (string | number)[];
        assert.deepEqual(
          keys,
          keys.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0)),
          sort,
        );
      }
      for (const length of [1, 2, 9, 14, 36]) {
        const wanted = String(all[0]!['user_id']).slice(0, length);
        const rows = await lived().ask('users', ...account, '--search', wanted.toUpperCase());
        assert.deepEqual(byId(rows), byId(all.filter((row) => String(row['user_id']).startsWith(wanted))));
      }
      const limited = await lived().ask('users', ...account, '--sort', 'events', '--limit', '2');
      assert.equal(limited.length, 2);
    });

    // Letters with one upper-case form. Other letters would become a different text.
    const upper = (text: string) =>
      Array.from(text, (letter) => {
        const big = letter.toUpperCase();
        return big.toLowerCase() === letter ? big : letter;
      }).join('');

    it('are found by email and name, ignoring case, only with --identities', async () => {
      const past = lived().main;
      const known = [...past.oracle.users].filter(
        ([, { email }]) => email !== null && /[a-z]{3}/i.test(email),
      );
      assert.ok(known.length > 0);
      const [userId, { email }] = known[0]!;
      const args = [
        '--account',
        past.accountId,
        '--level',
        'low',
        '--level',
        'medium',
        '--level',
        'high',
        '--level',
        'cleared',
      ];
      const rows = await lived().ask('users', ...args, '--search', upper(email!), '--identities');
      assert.ok(rows.some((row) => row['user_id'] === userId && row['email'] === email));
      const holds = (text: string | null) => upper(text ?? '').includes(upper(email!));
      assert.equal(
        rows.length,
        [...past.oracle.users].filter(([, u]) => holds(u.email) || holds(u.name)).length,
      );
      const refused = await lived().cli(['users', '--search', `${email}`]);
      assert.equal(refused.code, 64);
      assert.match(refused.stderr, /SEARCH_NEEDS_IDENTITIES/);
      assert.ok(!refused.stderr.includes(email!) && refused.stdout === '');
    });
  });
}
