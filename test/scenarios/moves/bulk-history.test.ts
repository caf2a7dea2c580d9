// bench/reporting/run.ts reads histories that SQL wrote. Here walk and publish write a small one again, and both
// databases hold the same rows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeBulkHistory } from '../../../bench/reporting/bulk-history.ts';
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { RiskLevel } from '../../../src/user-risk.ts';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { runSyncOf } from '../../support/stage.ts';

const ACCOUNT = '0123456789abcdef0123456789abcdef';
const START = '2025-03-28T00:00:00Z';
const SNAPSHOTS = 60;

/** Every table of the contract that publishing writes, keys included. Runs need not be the same. */
const TABLES = ['snapshots', 'snapshot_levels', 'users', 'user_levels', 'user_identities', 'user_activity'];

type Act = { user_id: string; snapshot_no: number; level: RiskLevel | null; event_count: number; at: string };

test('a history written in bulk has the same rows as one that publishing writes', async () => {
  const bulk = await migratedDatabase();
  const lived = await migratedDatabase();
  try {
    await writeBulkHistory(bulk.pool, {
      accountId: ACCOUNT,
      users: 150,
      snapshots: SNAPSHOTS,
      start: START,
      actsPerUser: 16,
      seed: 11,
    });
    const acts = await bulk.rows<Act>(`select user_id, snapshot_no, level, event_count,
      to_char(last_event at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from bulk_acts order by snapshot_no`);
    const present = new Map<string, Act & { level: RiskLevel }>();
    const client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> = {
      async summaryPage({ page, perPage, openReader }) {
        const records = [...present.values()]
          .slice((page - 1) * perPage, page * perPage)
          .map(({ user_id, level, event_count, at }) => ({
            user_id,
            email: `${user_id}@example.com`,
            name: 'Somebody',
            max_risk_level: level,
            event_count,
            last_event: at,
          }));
        return serveRecords(records, { total_count: present.size }, openReader);
      },
      async lookUpUser({ userId }) {
        const user = present.get(userId);
        return user === undefined
          ? null
          : {
              riskLevel: user.level,
              lastResetTime: null,
              newestEvent: user.at,
              hasUnreadableEvents: false,
              email: `${userId}@example.com`,
              name: 'Somebody',
            };
      },
    };
    for (let n = 0; n < SNAPSHOTS; n++) {
      for (const act of acts.filter(({ snapshot_no }) => snapshot_no === n)) {
        if (act.level === null) present.delete(act.user_id);
        else present.set(act.user_id, { ...act, level: act.level });
      }
      const observedAt = new Date(Date.parse(START) + n * 3_600_000);
      const { error } = await runSyncOf(ACCOUNT, { pool: lived.pool, client }, { observedAt });
      assert.equal(error, null);
    }
    for (const table of TABLES) {
      const [ours, theirs] = await Promise.all(
        [bulk, lived].map((db) =>
          db.rows<{ row: string }>(`select to_jsonb(t)::text as row from risk.${table} t order by 1`),
        ),
      );
      assert.ok(ours!.length > 50, table);
      assert.deepEqual(ours, theirs, table);
    }
    const changes = await bulk.rows<{ change: string }>(
      'select distinct change from risk_bi.level_changes order by 1',
    );
    assert.deepEqual(
      changes.map(({ change }) => change),
      ['appeared', 'cleared', 'lowered', 'raised', 'returned'],
    );
    const clocks = await Promise.all(
      [bulk, lived].map((db) => db.rows('select last_snapshot_id from risk_internal.feed_clock')),
    );
    assert.deepEqual(clocks[0], clocks[1]);
  } finally {
    await bulk.close();
    await lived.close();
  }
});
