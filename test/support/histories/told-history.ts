// A history written by hand: every way to appear, to clear and to be found.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { CliResult } from '../cli.ts';
import { runCommand } from '../run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../database/migrated-database.ts';
import { uuidOf } from '../world/random-world.ts';
import { sampleHistory } from '../database/sample-history.ts';

export const ONE = '1'.repeat(32);
export const TWO = '2'.repeat(32);
export const day = (n: number, hour = 10) =>
  `2026-03-${String(n).padStart(2, '0')}T${String(hour).padStart(2, '0')}:00:00Z`;
const working = { evidence: { lookups: { state: 'working', asked: 1 } } };
const ROLE = `reader_${randomBytes(6).toString('hex')}`;

export type ToldHistory = Awaited<ReturnType<typeof toldHistory>>;

export async function toldHistory() {
  const db = await migratedDatabase();
  await addUsers(db);
  // The role that README creates for a reader without personal data.
  for (const statement of [
    `create role ${ROLE} login password 'reader'`,
    `grant usage on schema risk, risk_bi to ${ROLE}`,
    `grant select on risk.accounts, risk.sync_runs, risk.snapshots, risk.snapshot_levels, risk.users, risk.user_levels, risk.user_activity, risk.retention to ${ROLE}`,
  ])
    await db.pool.query(statement);
  const url = new URL(db.url);
  url.username = ROLE;
  url.password = 'reader';
  return {
    db,
    history: (...args: string[]): Promise<CliResult> =>
      runCommand(['history', ...args], { DATABASE_URL: db.url }),
    /** As a role that may not read emails and names. */
    asReader: (...args: string[]): Promise<CliResult> =>
      runCommand(['history', ...args], { DATABASE_URL: url.href }),
    async close() {
      await db.pool.query(`drop owned by ${ROLE}`);
      await db.pool.query(`drop role ${ROLE}`);
      await db.close();
    },
  };
}

async function addUsers(db: MigratedDatabase): Promise<void> {
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
}

export async function text(result: Promise<CliResult>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr);
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
  assert.doesNotMatch(stdout, /\u001b|undefined|NaN|null/);
  return stdout;
}

export const events = (stdout: string) => stdout.split('\n').filter((line) => line.startsWith('2026-'));
/** Joins wrapped lines again. */
export const flat = (stdout: string) => stdout.replace(/\n +/g, ' ');
