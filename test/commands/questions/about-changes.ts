// What `changes` says, compared with the oracle.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expectedComparison } from '../../support/oracle/reporting/users.ts';
import type { Past, Row } from '../../support/oracle/reporting/past.ts';
import { byId, iso, pick, snapshotsOf, type LivedPasts } from '../../support/histories/lived-pasts.ts';

export function aboutChanges(lived: () => LivedPasts): void {
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
      const rows = await lived().ask('changes', '--since', '2025-01-01');
      for (const past of lived().pasts) {
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
      const past = lived().main;
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
        const rows = await lived().ask('changes', ...span, ...args);
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
      const past = lived().main;
      const args = ['changes', '--since', '2025-01-01', '--account', past.accountId, '--limit', '2'];
      const table = await lived().cli(args);
      assert.match(
        table.stdout,
        /^The newest 2 changes; there are more \(--limit, or --format csv for all\)\.$/m,
      );
      const rows = await lived().cli([...args, '--json']);
      assert.equal((JSON.parse(rows.stdout) as Row[]).length, 2);
      assert.match(rows.stderr, /^account \S+: there are more changes \(--limit\)$/m);
      const all = await lived().ask('changes', '--since', '2025-01-01', '--account', past.accountId);
      const exact = await lived().cli([...args.slice(0, -1), String(all.length)]);
      assert.match(exact.stdout, new RegExp(`^${all.length} changes\\.$`, 'm'));
    });

    it('show the names of that time with --identities', async () => {
      const past = lived().main;
      const rows = await lived().ask(
        'changes',
        '--since',
        '2025-01-01',
        '--account',
        past.accountId,
        '--identities',
      );
      const present = rows.filter((row) => row['to_level'] !== null);
      assert.ok(present.length > 0);
      for (const row of present) {
        const snapshot = snapshotsOf(past).find(({ snapshotId }) => snapshotId === row['snapshot_id'])!;
        const user = snapshot.state.get(row['user_id'] as string)!;
        assert.deepEqual([row['email'], row['name']], [user.email, user.name]);
      }
    });
  });
}
