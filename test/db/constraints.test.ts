// What the database itself refuses, from every writer.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

describe('constraints', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const now = "'2026-01-01T00:00:00Z'::timestamptz";
  const row = {
    account: `insert into risk.accounts (account_key, account_id, feed_id) values (1, 'acc', 1)`,
    user: (over: Record<string, string> = {}) =>
      insert('risk.users', {
        account_key: '1',
        user_key: '(select count(*) + 1 from risk.users)',
        user_id: 'gen_random_uuid()',
        max_risk_level: "'low'",
        event_count: '1',
        last_event: now,
        level_since: now,
        identity_since: now,
        first_seen_at: now,
        snapshot_id: '1',
        ...over,
      }),
    level: (over: Record<string, string> = {}) =>
      insert('risk.user_levels', {
        account_key: '1',
        user_key: '1',
        valid_from: now,
        max_risk_level: "'low'",
        change: "'appeared'",
        snapshot_id: '1',
        ...over,
      }),
    identity: (over: Record<string, string> = {}) =>
      insert('risk.user_identities', {
        account_key: '1',
        user_key: '1',
        valid_from: now,
        snapshot_id: '1',
        ...over,
      }),
    snapshot: (over: Record<string, string> = {}) =>
      insert('risk.snapshots', {
        account_key: '1',
        snapshot_id: '1',
        observed_at: now,
        verdict: "'complete'",
        is_baseline: 'true',
        user_count: '3',
        met_count: '2',
        carried_count: '1',
        event_count: '9',
        appeared: '0',
        raised: '0',
        lowered: '0',
        cleared: '0',
        returned: '0',
        ...over,
      }),
    run: (over: Record<string, string> = {}) =>
      insert('risk.sync_runs', {
        account_key: '1',
        run_id: '1',
        trigger: "'cli'",
        status: "'succeeded'",
        verdict: "'complete'",
        started_at: now,
        finished_at: now,
        host: "'h'",
        snapshot_id: '1',
        feed_id: '1',
        ...over,
      }),
  };
  const later = `${now} + interval '1 hour'`;

  // Each bad row has an accepted counterpart, so that the refusal has the named reason.
  const cases: [title: string, good: string[], bad: string, constraint: string][] = [
    ['an unknown level', [row.user()], row.user({ max_risk_level: "'critical'" }), 'users_max_risk_level'],
    [
      'a negative count',
      [row.user({ event_count: '0' })],
      row.user({ event_count: '-1' }),
      'users_event_count',
    ],
    [
      'a user without a level who is not cleared',
      [row.user({ max_risk_level: 'null', level_since: 'null', cleared_at: now })],
      row.user({ max_risk_level: 'null', level_since: 'null' }),
      'users_cleared',
    ],
    ['a cleared user who still has a level', [], row.user({ cleared_at: now }), 'users_cleared'],
    ['a level without a start', [], row.user({ level_since: 'null' }), 'users_level_since'],
    [
      'a cleared user who is absent',
      [row.user({ absent_since: now })],
      row.user({ max_risk_level: 'null', level_since: 'null', cleared_at: now, absent_since: now }),
      'users_absent_since',
    ],
    [
      'the same user twice',
      [row.user({ user_id: "'00000000-0000-4000-8000-000000000001'" })],
      row.user({ user_id: "'00000000-0000-4000-8000-000000000001'" }),
      'users_account_key_user_id',
    ],
    [
      'two users of one key',
      [row.user({ user_key: '7' })],
      row.user({ user_key: '7' }),
      'users_account_key_user_key_pk',
    ],
    ['two open levels', [row.level()], row.level({ valid_from: later }), 'user_levels_open'],
    ['two open identities', [row.identity()], row.identity({ valid_from: later }), 'user_identities_open'],
    [
      'a period of no length',
      [row.level({ valid_to: later, end_reason: "'reset'" })],
      row.level({ user_key: '2', valid_to: now, end_reason: "'reset'" }),
      'user_levels_valid_to',
    ],
    ['an end without a reason', [], row.level({ valid_to: later }), 'user_levels_end'],
    ['a reason without an end', [], row.level({ end_reason: "'reset'" }), 'user_levels_end'],
    ['an unknown reason', [], row.level({ valid_to: later, end_reason: "'whim'" }), 'user_levels_end_reason'],
    [
      'a raise to a lower level',
      [row.level({ change: "'raised'", previous_level: "'low'", max_risk_level: "'high'" })],
      row.level({ user_key: '2', change: "'raised'", previous_level: "'high'" }),
      'user_levels_previous_level',
    ],
    [
      'a raise from no level',
      [],
      row.level({ change: "'raised'", max_risk_level: "'high'" }),
      'user_levels_previous_level',
    ],
    [
      'an appearance from another level',
      [],
      row.level({ previous_level: "'high'" }),
      'user_levels_previous_level',
    ],
    [
      'an absence that begins before the change',
      [row.level({ valid_to: later, end_reason: "'absent'", absent_since: now })],
      row.level({ user_key: '2', valid_to: later, end_reason: "'changed'", absent_since: now }),
      'user_levels_absent_since',
    ],
    [
      'counts that do not add up',
      [row.snapshot()],
      row.snapshot({ snapshot_id: '2', observed_at: later, met_count: '1' }),
      'snapshots_user_count',
    ],
    ['a negative counter of changes', [], row.snapshot({ cleared: '-1' }), 'snapshots_counts'],
    [
      'two snapshots at one instant',
      [row.snapshot()],
      row.snapshot({ snapshot_id: '2' }),
      'snapshots_account_key_observed_at',
    ],
    [
      'an instant finer than a millisecond',
      [],
      row.snapshot({ observed_at: `${now} + interval '1 microsecond'` }),
      'snapshots_observed_at',
    ],
    [
      'a level of a snapshot that does not exist',
      [],
      insert('risk.snapshot_levels', {
        account_key: '1',
        snapshot_id: '7',
        max_risk_level: "'low'",
        user_count: '0',
        event_count: '0',
      }),
      'snapshot_levels_snapshots',
    ],
    [
      'a success without a snapshot',
      [row.run()],
      row.run({ run_id: '2', snapshot_id: 'null', verdict: 'null' }),
      'sync_runs_success',
    ],
    ['a success with an error', [], row.run({ error_code: "'X'" }), 'sync_runs_success'],
    [
      'a failure without a code',
      [row.run({ status: "'failed'", snapshot_id: 'null', verdict: 'null', error_code: "'X'" })],
      row.run({ run_id: '2', status: "'failed'", snapshot_id: 'null', verdict: 'null' }),
      'sync_runs_failure',
    ],
    ['an unknown trigger', [], row.run({ trigger: "'whim'" }), 'sync_runs_trigger'],
    [
      'an imported file without the SHA-256 of its content',
      [],
      insert('risk_internal.imports', {
        account_key: '1',
        observed_at: now,
        digest: "'D41D8CD9'",
        snapshot_id: '1',
      }),
      'imports_digest',
    ],
    [
      'a second clock of an account',
      [],
      'insert into risk_internal.feed_clock (account_key, last_snapshot_id) values (0, 0)',
      'feed_clock_pkey',
    ],
  ];

  for (const [title, good, bad, constraint] of cases) {
    test(`refuse ${title}`, async () => {
      const client = await db.pool.connect();
      try {
        await client.query('begin');
        await client.query(row.account);
        for (const statement of good) await client.query(statement);
        await assert.rejects(client.query(bad), { constraint });
      } finally {
        await client.query('rollback');
        client.release();
      }
    });
  }
});

function insert(table: string, values: Record<string, string>): string {
  return `insert into ${table} (${Object.keys(values).join(', ')}) values (${Object.values(values).join(', ')})`;
}
