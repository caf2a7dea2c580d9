// What trends, users and diff say about a random world that went through the real walk and publish, compared with an
// oracle that knows only the published states. The world has gaps, partial snapshots, returns, a retired account and
// clock changes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { createCalendar, HOUR } from '../support/oracle/calendar.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import type { SnapshotRecord, UserState } from '../support/oracle/oracle.ts';
import { circumstances, liveThrough, randomPast } from '../support/world/random-past.ts';
import {
  expectedComparison,
  expectedUsers,
  type Past,
  type Row,
} from '../support/oracle/reporting-oracle.ts';
import { startScriptedApi } from '../support/api/scripted-api.ts';

const SEED = fc.readConfigureGlobal().seed ?? 20261123;
const ZONE = 'Europe/Berlin';
const LEVELS = ['high', 'medium', 'low'];

let db: MigratedDatabase;
let pasts: Past[];

before(async () => {
  db = await migratedDatabase();
  const api = await startScriptedApi();
  try {
    const [random] = fc.sample(randomPast, { seed: SEED, numRuns: 1 });
    pasts = await liveThrough(db, api, { ...random!, ...circumstances(0) });
  } finally {
    await api.close();
  }
});

after(() => db.close());

async function ask(...args: string[]): Promise<Row[]> {
  const result = await runCommand([...args, '--format', 'json'], {
    DATABASE_URL: db.url,
    SYNC_TIMEZONE: ZONE,
  });
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Row[];
}

const iso = (micros: bigint) => new Date(Number(micros / 1000n)).toISOString();
const byId = (rows: Row[]) => rows.toSorted((a, b) => (String(a['user_id']) < String(b['user_id']) ? -1 : 1));
const pick = (row: Row, names: string[]) => Object.fromEntries(names.map((name) => [name, row[name]]));
const countOf = ({ state }: SnapshotRecord, level: string) =>
  [...state.values()].filter((user) => user.level === level).length;
const snapshotsOf = ({ oracle }: Past) => oracle.snapshots;
/** The account with the most snapshots; it is not the retired one. */
const main = () =>
  pasts
    .filter(({ retiredAt }) => retiredAt === null)
    .toSorted((a, b) => snapshotsOf(b).length - snapshotsOf(a).length)[0]!;

type Bucket = { name: string; from: bigint; to: bigint };

function expectedTrend(past: Past, buckets: readonly Bucket[]): Row[] {
  return buckets.flatMap(({ name, from, to }) => {
    const shown = snapshotsOf(past).findLast(({ at }) => at < to);
    if (shown === undefined) return [];
    const [low, medium, high] = ['low', 'medium', 'high'].map((level) => countOf(shown, level)) as [
      number,
      number,
      number,
    ];
    const all = low + medium + high;
    return [
      {
        bucket: name,
        low,
        medium,
        high,
        verdict: shown.verdict,
        user_count: all,
        high_share: all === 0 ? null : Number((high / all).toFixed(6)),
        is_observed: shown.at >= from,
        starts_at: iso(from),
        snapshot_id: shown.snapshotId,
        observed_at: iso(shown.at),
      },
    ];
  });
}

/** Days, and the weeks and months made of them. */
function bucketsOf(past: Past, kind: 'day' | 'week' | 'month', now: bigint): Bucket[] {
  const calendar = createCalendar(ZONE);
  const end = past.retiredAt !== null && past.retiredAt < now ? past.retiredAt : now;
  const buckets: Bucket[] = [];
  for (const { day, to } of calendar.days(snapshotsOf(past)[0]!.at, end)) {
    const date = new Date(`${day}T00:00:00Z`);
    if (kind === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
    if (kind === 'month') date.setUTCDate(1);
    const name = date.toISOString().slice(0, 10);
    const last = buckets.at(-1);
    if (last?.name === name) last.to = to;
    else {
      const [start] = calendar.days(...twice(noonOf(name)));
      buckets.push({ name, from: start!.from, to });
    }
  }
  return buckets;
}

const noonOf = (day: string) => BigInt(Date.parse(`${day}T12:00:00Z`)) * 1000n;
const twice = (at: bigint): [bigint, bigint] => [at, at];

describe('trends', () => {
  for (const bucket of ['day', 'week', 'month'] as const) {
    it(`by ${bucket} have no gaps, and tell observed values from values carried forward`, async () => {
      const rows = await ask('trends', '--since', '2025-01-01', '--bucket', bucket);
      const now = BigInt(Date.now()) * 1000n;
      for (const past of pasts) {
        const actual = rows.filter((row) => row['account_id'] === past.accountId);
        const expected = expectedTrend(past, bucketsOf(past, bucket, now));
        assert.deepEqual(
          actual.map(({ account_id: _id, [bucket]: name, ...rest }) => ({ bucket: name, ...rest })),
          expected,
        );
      }
      assert.ok(
        rows.some((row) => row['is_observed'] === true) && rows.some((row) => row['is_observed'] === false),
      );
      assert.equal(new Set(pasts.map(({ accountId }) => accountId)).size, 3);
    });
  }

  it('by hour give the same name to the hour that the clocks repeat, and a different start to each', async () => {
    const past = main();
    const first = snapshotsOf(past)[0]!.at;
    const rows = await ask('trends', '--since', iso(first), '--bucket', 'hour', '--account', past.accountId);
    const calendar = createCalendar(ZONE);
    const expected = expectedTrend(
      past,
      rows.map((_, index) => {
        const from = calendar.hourOf(first) + BigInt(index) * HOUR;
        return { name: '', from, to: from + HOUR };
      }),
    );
    assert.deepEqual(
      rows.map(({ account_id: _id, hour: _hour, ...rest }) => ({ bucket: '', ...rest })),
      expected,
    );
    const twiceNamed = rows.filter((row) => row['hour'] === '2025-10-26 02:00');
    assert.deepEqual(
      twiceNamed.map((row) => row['starts_at']),
      ['2025-10-26T00:00:00.000Z', '2025-10-26T01:00:00.000Z'],
    );
  });

  it('begin with the bucket that contains --since, in the requested time zone', async () => {
    const past = main();
    const middle = snapshotsOf(past)[Math.floor(snapshotsOf(past).length / 2)]!;
    for (const zone of ['America/New_York', 'Asia/Kathmandu', '+05:30']) {
      const args = ['--since', iso(middle.at), '--account', past.accountId, '--timezone', zone];
      const [first] = await ask('trends', ...args);
      const [day] = createCalendar(zone).days(middle.at, middle.at);
      assert.equal(first!['day'], day!.day);
      assert.equal(first!['starts_at'], iso(day!.from));
      const shown = snapshotsOf(past).findLast(({ at }) => at < day!.to)!;
      assert.equal(first!['snapshot_id'], shown.snapshotId);
    }
  });
});

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

describe('users', () => {
  it('are the present users, highest level first, without the users of a retired account', async () => {
    const rows = await ask('users');
    const expected = pasts
      .filter(({ retiredAt }) => retiredAt === null)
      .flatMap(({ oracle }) =>
        [...oracle.users].filter(([, { level }]) => level !== null).map(([id, user]) => told(id, user)),
      );
    assert.ok(expected.length > 5);
    assert.deepEqual(byId(rows.map((row) => pick(row, TOLD))), byId(expected));
    for (const { accountId } of pasts) {
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
    for (const past of pasts) {
      for (const levels of [['high'], ['cleared'], ['low', 'cleared']]) {
        const args = levels.flatMap((level) => ['--level', level]);
        const rows = await ask('users', '--account', past.accountId, ...args);
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
    for (const past of pasts) {
      const snapshots = snapshotsOf(past);
      for (const snapshot of [
        snapshots[0]!,
        snapshots[Math.floor(snapshots.length / 2)]!,
        snapshots.at(-1)!,
      ]) {
        const instant = snapshot.at + 60_000n;
        const rows = await ask('users', '--as-of', iso(instant), '--account', past.accountId, '--identities');
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
    const past = main();
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
    const all = await ask('users', ...account);
    for (const [sort, of] of [
      ['events', (row: Row) => row['event_count']],
      ['last-event', (row: Row) => row['last_event']],
      ['first-seen', (row: Row) => row['first_seen_at']],
      ['since', (row: Row) => row['level_since'] ?? row['cleared_at']],
    ] as const) {
      const rows = await ask('users', ...account, '--sort', sort);
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
      const rows = await ask('users', ...account, '--search', wanted.toUpperCase());
      assert.deepEqual(byId(rows), byId(all.filter((row) => String(row['user_id']).startsWith(wanted))));
    }
    const limited = await ask('users', ...account, '--sort', 'events', '--limit', '2');
    assert.equal(limited.length, 2);
  });

  // Letters with one upper-case form. The others are not the same text any more.
  const upper = (text: string) =>
    Array.from(text, (letter) => {
      const big = letter.toUpperCase();
      return big.toLowerCase() === letter ? big : letter;
    }).join('');

  it('are found by email and name, ignoring case, only with --identities', async () => {
    const past = main();
    const known = [...past.oracle.users].filter(([, { email }]) => email !== null && /[a-z]{3}/i.test(email));
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
    const rows = await ask('users', ...args, '--search', upper(email!), '--identities');
    assert.ok(rows.some((row) => row['user_id'] === userId && row['email'] === email));
    const holds = (text: string | null) => upper(text ?? '').includes(upper(email!));
    assert.equal(
      rows.length,
      [...past.oracle.users].filter(([, u]) => holds(u.email) || holds(u.name)).length,
    );
    const refused = await runCommand(['users', '--search', `${email}`], { DATABASE_URL: db.url });
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /SEARCH_NEEDS_IDENTITIES/);
    assert.ok(!refused.stderr.includes(email!) && refused.stdout === '');
  });
});

/** expectedUsers returns the counters in its other list. */
function countsOf(asOf: readonly Row[], row: Row): Row {
  return { event_count: asOf.find((one) => one['user_id'] === row['user_id'])!['event_count'] };
}

describe('diff', () => {
  const NAMES = ['user_id', 'change', 'from_level', 'to_level'];

  it('lists the users who differ between any two snapshots, by time or by id', async () => {
    const kinds = new Set<unknown>();
    for (const past of pasts) {
      const snapshots = snapshotsOf(past);
      const pairs = [0, 0.2, 0.5, 0.8].map(
        (part) =>
          [
            snapshots[Math.floor(part * snapshots.length)]!,
            snapshots[Math.min(snapshots.length - 1, Math.floor((part + 0.35) * snapshots.length))]!,
          ] as const,
      );
      for (const [from, to] of pairs) {
        const expected = byId(expectedComparison(past, from.at, to.at));
        const byTime = await ask('diff', iso(from.at), iso(to.at + 1_000n), '--account', past.accountId);
        assert.deepEqual(
          byId(byTime.map((row) => pick(row, NAMES))),
          byId(expected.map((row) => pick(row, NAMES))),
        );
        // Ids rise over all accounts, so an id names its account.
        const byIds = await ask('diff', `#${from.snapshotId}`, String(to.snapshotId));
        assert.deepEqual(byIds, byTime);
        for (const row of byTime) {
          kinds.add(row['change']);
          assert.equal(row['from_observed_at'], iso(from.at));
          assert.equal(row['to_snapshot_id'], to.snapshotId);
        }
      }
    }
    // With the usual seed it is all five.
    assert.ok(kinds.size >= 3, [...kinds].join(', '));
  });

  it('shows the names at the later moment with --identities', async () => {
    const past = main();
    const [from, to] = [snapshotsOf(past)[0]!, snapshotsOf(past).at(-1)!];
    const rows = await ask('diff', iso(from.at), iso(to.at), '--account', past.accountId, '--identities');
    const present = rows.filter((row) => row['to_level'] !== null);
    assert.ok(present.length > 0);
    for (const row of present) {
      const user = to.state.get(row['user_id'] as string)!;
      assert.deepEqual([row['email'], row['name']], [user.email, user.name]);
    }
  });

  it('refuses two snapshots of different accounts', async () => {
    const [one, two] = [pasts[0]!, pasts[1]!].map((past) => snapshotsOf(past)[0]!.snapshotId);
    const result = await runCommand(['diff', String(one), String(two)], { DATABASE_URL: db.url });
    assert.equal(result.code, 64);
    assert.match(result.stderr, /SNAPSHOTS_UNRELATED/);
  });
});

describe('changes', () => {
  const NAMES = ['changed_at', 'change', 'user_id', 'from_level', 'to_level', 'snapshot_id'];
  const inOrderOfTime = (rows: Row[]) =>
    rows.toSorted((a, b) => (String(a['changed_at']) < String(b['changed_at']) ? 1 : -1));
  const sorted = (rows: Row[]) => inOrderOfTime(byId(rows));

  function expectedChanges(past: Past): Row[] {
    const snapshots = snapshotsOf(past);
    return snapshots.flatMap((snapshot, index) => {
      const before = snapshots[index - 1];
      if (before === undefined || snapshot.isBaseline) return [];
      const { at, snapshotId } = snapshot;
      return expectedComparison(past, before.at, at).map((row) => ({
        ...pick(row, ['change', 'user_id', 'from_level', 'to_level']),
        changed_at: iso(at),
        snapshot_id: snapshotId,
      }));
    });
  }

  it('are every change between two snapshots, newest first, also of an account that was retired later', async () => {
    const rows = await ask('changes', '--since', '2025-01-01');
    for (const past of pasts) {
      const own = rows.filter((row) => row['account_id'] === past.accountId);
      const times = own.map((row) => String(row['changed_at']));
      assert.deepEqual(times, times.toSorted().reverse());
      const expected = expectedChanges(past);
      assert.deepEqual(
        sorted(own.map((row) => pick(row, NAMES))),
        sorted(expected.map((row) => pick(row, NAMES))),
      );
    }
    assert.ok(rows.length > 20);
  });

  it('can be narrowed to a span, to new levels and to kinds of changes', async () => {
    const past = main();
    const all = expectedChanges(past);
    const instants = [...new Set(all.map((row) => String(row['changed_at'])))].toSorted();
    const [since, until] = [instants[1]!, instants.at(-1)!];
    const span = ['--since', since, '--until', until, '--account', past.accountId];
    for (const [args, isWanted] of [
      [[], () => true],
      [['--to', 'high'], (row: Row) => row['to_level'] === 'high'],
      [
        ['--to', 'low', '--to', 'cleared'],
        (row: Row) => ['low', null].includes(row['to_level'] as string | null),
      ],
      [
        ['--change', 'raised', '--change', 'cleared'],
        (row: Row) => ['raised', 'cleared'].includes(row['change'] as string),
      ],
    ] as const) {
      const rows = await ask('changes', ...span, ...args);
      const expected = all.filter(
        (row) => String(row['changed_at']) >= since && String(row['changed_at']) < until && isWanted(row),
      );
      assert.deepEqual(
        sorted(rows.map((row) => pick(row, NAMES))),
        sorted(expected.map((row) => pick(row, NAMES))),
        args.join(' '),
      );
    }
  });

  it('say that there are more than a table or --limit shows', async () => {
    const past = main();
    const args = ['changes', '--since', '2025-01-01', '--account', past.accountId, '--limit', '2'];
    const table = await runCommand(args, { DATABASE_URL: db.url });
    assert.match(
      table.stdout,
      /^The newest 2 changes; there are more \(--limit, or --format csv for all\)\.$/m,
    );
    const rows = await runCommand([...args, '--json'], { DATABASE_URL: db.url });
    assert.equal((JSON.parse(rows.stdout) as Row[]).length, 2);
    assert.match(rows.stderr, /^account \S+: there are more changes \(--limit\)$/m);
    const all = await ask('changes', '--since', '2025-01-01', '--account', past.accountId);
    const exact = await runCommand([...args.slice(0, -1), String(all.length)], { DATABASE_URL: db.url });
    assert.match(exact.stdout, new RegExp(`^${all.length} changes\\.$`, 'm'));
  });

  it('show the names of that time with --identities', async () => {
    const past = main();
    const rows = await ask('changes', '--since', '2025-01-01', '--account', past.accountId, '--identities');
    const present = rows.filter((row) => row['to_level'] !== null);
    assert.ok(present.length > 0);
    for (const row of present) {
      const snapshot = snapshotsOf(past).find(({ snapshotId }) => snapshotId === row['snapshot_id'])!;
      const user = snapshot.state.get(row['user_id'] as string)!;
      assert.deepEqual([row['email'], row['name']], [user.email, user.name]);
    }
  });
});

describe('whom a diff hides', () => {
  /** Users at one of the levels in a snapshot between the two, and at none of them in either. */
  function hidden(past: Past, from: number, to: number, levels: readonly string[]): number {
    const snapshots = snapshotsOf(past);
    const those = ({ state }: SnapshotRecord) =>
      [...state].filter(([, { level }]) => levels.includes(level!)).map(([id]) => id);
    const ends = new Set([...those(snapshots[from]!), ...those(snapshots[to]!)]);
    const between = snapshots.slice(from + 1, to).flatMap(those);
    return new Set(between.filter((id) => !ends.has(id))).size;
  }

  it('is told with their number, as text, in every row of JSON, and on stderr', async () => {
    const past = main();
    const last = snapshotsOf(past).length - 1;
    let seen = 0;
    for (const levels of [['high'], ['medium'], ['high', 'medium']]) {
      for (const [from, to] of [
        [0, last],
        [Math.floor(last / 3), last],
        [0, Math.floor(last / 2)],
        [last - 1, last],
      ] as const) {
        const count = hidden(past, from, to, levels);
        seen += count;
        const ids = [from, to].map((at) => String(snapshotsOf(past)[at]!.snapshotId));
        const args = ['diff', ...ids, ...levels.flatMap((level) => ['--level', level])];
        const text = await runCommand(args, { DATABASE_URL: db.url });
        const line = `${count} more ${count === 1 ? 'was' : 'were'} at ${levels.join(' or ')} in between`;
        assert.equal(text.stdout.includes(line), count > 0, line);
        const rows = await runCommand([...args, '--json'], { DATABASE_URL: db.url });
        assert.equal(rows.stderr.includes(line), count > 0);
        for (const row of JSON.parse(rows.stdout) as Row[]) {
          assert.equal(row['in_between_count'], count);
          assert.ok([row['from_level'], row['to_level']].some((level) => levels.includes(level as string)));
        }
      }
    }
    assert.ok(seen > 0);
  });

  it('counts users at high when no level is given, and --change keeps the other kinds out', async () => {
    const past = main();
    const last = snapshotsOf(past).length - 1;
    const ids = [0, last].map((at) => String(snapshotsOf(past)[at]!.snapshotId));
    const all = await ask('diff', ...ids);
    const raised = await ask('diff', ...ids, '--change', 'raised', '--change', 'lowered');
    assert.deepEqual(
      raised,
      all.filter((row) => ['raised', 'lowered'].includes(row['change'] as string)),
    );
    for (const row of all) assert.equal(row['in_between_count'], hidden(past, 0, last, ['high']));
  });
});

describe('the tables', () => {
  it("fit 80 and 160 columns and hold nothing that moves a cursor, whatever the users' names are", async () => {
    const past = main();
    const first = iso(snapshotsOf(past)[0]!.at);
    for (const args of [
      ['accounts'],
      ['changes', '--since', first, '--identities', '--timezone', 'America/Argentina/Buenos_Aires'],
      ['rejected', 'list', '--all'],
      ['status', '--run', '1'],
      ['trends', '--since', '2025-01-01', '--bucket', 'week'],
      ['trends', '--since', first, '--bucket', 'month'],
      ['users', '--identities', '--limit', '1000'],
      ['users', '--level', 'cleared'],
      ['diff', first, '--account', past.accountId, '--identities', '--limit', '1000'],
      ['status', '--limit', '100'],
      ['history', [...past.oracle.users.keys()][0]!, '--account', past.accountId, '--identities'],
    ]) {
      for (const width of [80, 160]) {
        const env = { DATABASE_URL: db.url, SYNC_TIMEZONE: ZONE, COLUMNS: String(width) };
        const result = await runCommand(args, env);
        assert.equal(result.code, 0, result.stderr);
        for (const line of `${result.stdout}${result.stderr}`.split('\n'))
          assert.ok(stringWidth(line) <= width, `${args[0]}: ${line}`);
        assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(result.stdout));
        assert.ok(result.stdout.length > 20);
      }
    }
  });

  it('say how many rows are left out, and JSON has all of them', async () => {
    const past = main();
    const [from, to] = [snapshotsOf(past)[0]!, snapshotsOf(past).at(-1)!];
    const args = ['diff', iso(from.at), iso(to.at), '--account', past.accountId];
    const all = await ask(...args);
    assert.ok(all.length > 2);
    const { stdout } = await runCommand([...args, '--limit', '2'], { DATABASE_URL: db.url });
    assert.match(stdout, new RegExp(`^And ${all.length - 2} more: use --limit`, 'm'));
    for (const change of ['raised', 'appeared', 'returned', 'lowered', 'cleared']) {
      const count = all.filter((row) => row['change'] === change).length;
      assert.match(stdout, new RegExp(`^${change} +${count}( |$)`, 'm'));
    }
    assert.match(
      stdout,
      new RegExp(`^high ${countOf(from, 'high')} → ${countOf(to, 'high')}   medium `, 'm'),
    );
  });
});
