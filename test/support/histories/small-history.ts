// Two accounts with a few snapshots, and a third without one. Labels and names are attacks.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { CliResult } from '../cli.ts';
import { runCommand } from '../run-command.ts';
import { migratedDatabase } from '../database/migrated-database.ts';
import { uuidOf } from '../world/random-world.ts';
import { sampleHistory } from '../database/sample-history.ts';

export const ONE = '1'.repeat(32);
export const TWO = '2'.repeat(32);
export const LATE = '3'.repeat(32);
const HOUR = 3_600_000;
const ROLE = `reader_${randomBytes(6).toString('hex')}`;
// A formula, a terminal title, a cursor movement, text from right to left, and a long name.
export const NAME = `=cmd|' /C calc'!A0 \u001b]0;pwned\u0007\u009b2J\u202eeman ${'x'.repeat(10_000)}`;
const now = Date.now();
export const ago = (hours: number) => new Date(now - hours * HOUR).toISOString();
export const json = (result: CliResult) => JSON.parse(result.stdout) as Record<string, unknown>[];

export type SmallHistory = Awaited<ReturnType<typeof smallHistory>>;

export async function smallHistory() {
  const db = await migratedDatabase();
  const sample = sampleHistory(db.pool);
  const [one, two] = [await sample.account(ONE, 'Head \u001b[2Joffice'), await sample.account(TWO)];
  await sample.account(LATE);
  const ids = [
    await sample.snapshot(one, ago(72), { is_baseline: true, counts: [1, 0, 0] }),
    await sample.snapshot(one, ago(48), { verdict: 'partial', counts: [1, 0, 0] }),
    await sample.snapshot(two, ago(30), { is_baseline: true, counts: [0, 0, 0] }),
    await sample.snapshot(one, ago(24), { verdict: 'partial', counts: [0, 0, 1] }),
  ];
  const ada = await sample.user({
    account_key: one,
    user_id: uuidOf('ada'),
    first_seen_at: ago(72),
    max_risk_level: 'high',
    level_since: ago(24),
    absent_since: ago(24),
    event_count: 2_147_483_647,
  });
  const of = { account_key: one, user_key: ada };
  await sample.levels([
    {
      ...of,
      valid_from: ago(72),
      valid_to: ago(24),
      max_risk_level: 'low',
      change: 'appeared',
      end_reason: 'changed',
    },
    { ...of, valid_from: ago(24), max_risk_level: 'high', previous_level: 'low', change: 'raised' },
  ]);
  await sample.identities([{ ...of, valid_from: ago(72), email: '=1+1@example.com', name: NAME }]);
  for (const statement of [
    `create role ${ROLE} login password 'reader'`,
    `alter role ${ROLE} set default_transaction_read_only = on`,
    `grant usage on schema risk, risk_bi to ${ROLE}`,
    `grant select on risk.accounts, risk.sync_runs, risk.snapshots, risk.snapshot_levels, risk.users, risk.user_levels, risk.user_activity, risk.retention to ${ROLE}`,
    `grant select on risk_bi.risk_level_daily, risk_bi.risk_level_hourly, risk_bi.risk_level_by_snapshot, risk_bi.level_changes to ${ROLE}`,
  ])
    await db.pool.query(statement);
  const url = new URL(db.url);
  url.username = ROLE;
  url.password = 'reader';

  const cli = (...args: string[]) => runCommand(args, { DATABASE_URL: db.url });
  return {
    db,
    /** The snapshots, in the order of their ids. */
    ids,
    cli,
    /** As a role that may not read emails and names. */
    asReader: (...args: string[]) => runCommand(args, { DATABASE_URL: url.href }),
    async refused(code: string, exit: number, ...args: string[]): Promise<CliResult> {
      const result = await cli(...args);
      assert.match(result.stderr, new RegExp(`^error ${code}: `), args.join(' '));
      assert.equal(result.code, exit);
      assert.equal(result.stdout, '');
      return result;
    },
    async close() {
      await db.pool.query(`drop owned by ${ROLE}`);
      await db.pool.query(`drop role ${ROLE}`);
      await db.close();
    },
  };
}
