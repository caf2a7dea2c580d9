// "Why cleared?" from end to end: a simulated account over ten days, really synced, and what `history` says about its
// users.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSimulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { runCli } from '../../support/cli.ts';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { clientOf, runSyncOf } from '../../support/stage.ts';
const DAY = 86_400_000;

test("history gives the reason why the run cleared a user: the user's own record, or two walks where records cannot be asked", async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  const start = new Date('2026-02-02T08:00:00Z');
  let now = start;
  const simulator = await startSimulator({
    worlds: createWorld({ seed: 11, users: 220, start, days: 60, campaign: null }),
    now: () => now,
    auth: { token: 'x', email: 'nobody@example.com', key: 'unused-key' },
    rateLimit: null,
  });
  t.after(() => simulator.close());
  const client = clientOf(t, simulator.url);
  const accounts = { lookup: 'a'.repeat(32), walks: 'b'.repeat(32) };
  for (let day = 0; day < 10; day++) {
    now = new Date(start.getTime() + day * DAY);
    for (const confirm of ['lookup', 'walks'] as const) {
      const outcome = await runSyncOf(
        accounts[confirm],
        { pool: db.pool, client, settings: { confirm } },
        { trigger: 'cron', observedAt: now },
      );
      assert.equal(outcome.error, null);
    }
  }

  for (const [confirm, reasons] of [
    [
      'lookup',
      /: (reset by an administrator at 2026-02-\d\d \d\d:\d\d UTC, as their own record says|their own record shows no level|the API no longer has a record of them|confirmed by their own record) \(run \d+\)$/,
    ],
    ['walks', /: absent since 2026-02-\d\d \d\d:\d\d UTC, not met by 2 complete walks \(run \d+\)$/],
  ] as const) {
    const cleared = await db.rows<{ user_id: string }>(
      `select user_id from risk_bi.users where account_id = $1 and cleared_at is not null order by 1 limit 6`,
      [accounts[confirm]],
    );
    assert.ok(cleared.length > 0, `no user was cleared (${confirm})`);
    const told: string[] = [];
    for (const { user_id } of cleared) {
      const { code, stdout } = await runCli(['history', user_id, '--account', accounts[confirm]], {
        DATABASE_URL: db.url,
      });
      assert.equal(code, 0);
      const lines = stdout
        .replace(/\n +/g, ' ')
        .split('\n')
        .filter((line) => line.includes('cleared, was'));
      assert.ok(lines.length > 0);
      for (const line of lines) assert.match(line, reasons);
      told.push(...lines);
    }
    const resets = told.filter((line) => line.includes('reset by an administrator'));
    assert.equal(resets.length > 0, confirm === 'lookup');
  }
});
