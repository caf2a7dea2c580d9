// What `diff` says of two snapshots, and of the users it hides, compared with the oracle.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SnapshotRecord } from '../../support/oracle/oracle.ts';
import { expectedComparison } from '../../support/oracle/reporting/users.ts';
import type { Past, Row } from '../../support/oracle/reporting/past.ts';
import { byId, iso, pick, snapshotsOf, type LivedPasts } from '../../support/histories/lived-pasts.ts';

export function aboutDiffs(lived: () => LivedPasts): void {
  describe('diff', () => {
    const NAMES = ['user_id', 'change', 'from_level', 'to_level'];

    it('lists the users who differ between any two snapshots, by time or by id', async () => {
      const kinds = new Set<unknown>();
      for (const past of lived().pasts) {
        const snapshots = snapshotsOf(past);
        const pairs = [0, 0.2, 0.5, 0.8].map(
          (part) =>
            [
              snapshots[Math.floor(part * snapshots.length)]!,
              snapshots[Math.min(snapshots.length - 1, Math.floor((part + 0.35) * snapshots.length))]!,
            ] as const,
        );
        for (const [nth, [from, to]] of pairs.entries()) {
          const expected = byId(expectedComparison(past, from.at, to.at));
          const byTime = await lived().ask(
            'diff',
            iso(from.at),
            iso(to.at + 1_000n),
            '--account',
            past.accountId,
          );
          assert.deepEqual(
            byId(byTime.map((row) => pick(row, NAMES))),
            byId(expected.map((row) => pick(row, NAMES))),
          );
          // Ids rise over all accounts, so an id names its account.
          if (nth === 0)
            assert.deepEqual(await lived().ask('diff', `#${from.snapshotId}`, String(to.snapshotId)), byTime);
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
      const past = lived().main;
      const [from, to] = [snapshotsOf(past)[0]!, snapshotsOf(past).at(-1)!];
      const rows = await lived().ask(
        'diff',
        iso(from.at),
        iso(to.at),
        '--account',
        past.accountId,
        '--identities',
      );
      const present = rows.filter((row) => row['to_level'] !== null);
      assert.ok(present.length > 0);
      for (const row of present) {
        const user = to.state.get(row['user_id'] as string)!;
        assert.deepEqual([row['email'], row['name']], [user.email, user.name]);
      }
    });

    it('refuses two snapshots of different accounts', async () => {
      const [one, two] = [lived().pasts[0]!, lived().pasts[1]!].map(
        (past) => snapshotsOf(past)[0]!.snapshotId,
      );
      const result = await lived().cli(['diff', String(one), String(two)]);
      assert.equal(result.code, 64);
      assert.match(result.stderr, /SNAPSHOTS_UNRELATED/);
    });
  });

  describe('users whom a diff hides', () => {
    /** Users at one of the levels in a snapshot between the two, and at none of these levels in the two themselves. */
    function hidden(past: Past, from: number, to: number, levels: readonly string[]): number {
      const snapshots = snapshotsOf(past);
      const those = ({ state }: SnapshotRecord) =>
        [...state].filter(([, { level }]) => levels.includes(level!)).map(([id]) => id);
      const ends = new Set([...those(snapshots[from]!), ...those(snapshots[to]!)]);
      const between = snapshots.slice(from + 1, to).flatMap(those);
      return new Set(between.filter((id) => !ends.has(id))).size;
    }

    it('are reported with their number, as text, in every row of JSON, and on stderr', async () => {
      const past = lived().main;
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
          const text = await lived().cli(args);
          const line = `${count} more ${count === 1 ? 'was' : 'were'} at ${levels.join(' or ')} in between`;
          assert.equal(text.stdout.includes(line), count > 0, line);
          const rows = await lived().cli([...args, '--json']);
          assert.equal(rows.stderr.includes(line), count > 0);
          for (const row of JSON.parse(rows.stdout) as Row[]) {
            assert.equal(row['in_between_count'], count);
            assert.ok([row['from_level'], row['to_level']].some((level) => levels.includes(level as string)));
          }
        }
      }
      assert.ok(seen > 0);
    });

    it('are counted at high when no level is given, and --change keeps the other kinds out', async () => {
      const past = lived().main;
      const last = snapshotsOf(past).length - 1;
      const ids = [0, last].map((at) => String(snapshotsOf(past)[at]!.snapshotId));
      const all = await lived().ask('diff', ...ids);
      const raised = await lived().ask('diff', ...ids, '--change', 'raised', '--change', 'lowered');
      assert.deepEqual(
        raised,
        all.filter((row) => ['raised', 'lowered'].includes(row['change'] as string)),
      );
      for (const row of all) assert.equal(row['in_between_count'], hidden(past, 0, last, ['high']));
    });
  });
}
