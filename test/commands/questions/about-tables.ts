// The tables that people read, whatever the users are called.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import stringWidth from 'string-width';
import { countOf, iso, snapshotsOf, ZONE, type LivedPasts } from '../../support/histories/lived-pasts.ts';

export function aboutTables(lived: () => LivedPasts): void {
  describe('the tables', () => {
    it("fit 80 and 160 columns and hold nothing that moves a cursor, whatever the users' names are", async () => {
      const past = lived().main;
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
          const result = await lived().cli(args, { SYNC_TIMEZONE: ZONE, COLUMNS: String(width) });
          assert.equal(result.code, 0, result.stderr);
          for (const line of `${result.stdout}${result.stderr}`.split('\n'))
            assert.ok(stringWidth(line) <= width, `${args[0]}: ${line}`);
          assert.ok(
            !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(result.stdout),
          );
          assert.ok(result.stdout.length > 20);
        }
      }
    });

    it('say how many rows are left out, and JSON has all of them', async () => {
      const past = lived().main;
      const [from, to] = [snapshotsOf(past)[0]!, snapshotsOf(past).at(-1)!];
      const args = ['diff', iso(from.at), iso(to.at), '--account', past.accountId];
      const all = await lived().ask(...args);
      assert.ok(all.length > 2);
      const { stdout } = await lived().cli([...args, '--limit', '2']);
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
}
