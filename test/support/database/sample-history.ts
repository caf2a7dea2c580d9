// Rows of a history written by hand, for states that a test cannot easily create by syncing.
import { sql, type InferInsertModel } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { insertAccount } from './insert-account.ts';
import type { Pool } from '../../../src/db/pool.ts';
import {
  lookups,
  rejectedRecords,
  snapshotLevels,
  snapshots,
  syncRuns,
  userIdentities,
  userLevels,
  users,
} from '../../../src/db/schema.ts';
import { RISK_LEVELS } from '../../../src/user-risk.ts';

type Row<Table extends { $inferInsert: object }, Given extends keyof Table['$inferInsert']> = Partial<
  Table['$inferInsert']
> &
  Pick<Table['$inferInsert'], Given>;

export type SampleHistory = ReturnType<typeof sampleHistory>;

export function sampleHistory(pool: Pool) {
  const db = drizzle(pool);
  let next = 1;
  return {
    /** Returns account_key. */
    async account(accountId: string, label: string | null = null): Promise<number> {
      return insertAccount(pool, accountId, label);
    },
    /** A finished run. Run ids and snapshot ids are consecutive. Returns its run_id. */
    async run(row: Row<typeof syncRuns, 'account_key' | 'started_at'>): Promise<number> {
      const runId = row.run_id ?? next++;
      await db.insert(syncRuns).values({
        run_id: runId,
        trigger: 'cron',
        status: 'succeeded',
        finished_at: row.started_at,
        host: 'a-host',
        feed_id: row.snapshot_id ?? runId,
        ...row,
      });
      await db.execute(
        sql`select setval('risk_internal.run_ids', greatest(${runId}, (select last_value from risk_internal.run_ids)))`,
      );
      await db.execute(
        sql`update risk_internal.feed_clock set last_snapshot_id = greatest(last_snapshot_id, ${row.snapshot_id ?? runId})`,
      );
      return runId;
    },
    /** A snapshot and the run that published it, with the same number, which is returned. */
    async snapshot(
      accountKey: number,
      at: string,
      more: {
        verdict?: 'complete' | 'partial';
        is_baseline?: boolean;
        /** Users at low, medium and high. */
        counts?: readonly [number, number, number];
        evidence?: Record<string, unknown>;
      } = {},
    ): Promise<number> {
      const id = next++;
      const { verdict = 'complete', is_baseline = false, evidence = {}, counts } = more;
      const zero = { user_count: 0, met_count: 0, carried_count: 0, event_count: 0 };
      const unchanged = { appeared: 0, raised: 0, lowered: 0, cleared: 0, returned: 0 };
      await db.insert(snapshots).values({
        account_key: accountKey,
        snapshot_id: id,
        observed_at: at,
        verdict,
        is_baseline,
        ...zero,
        ...unchanged,
      });
      if (counts !== undefined)
        await db.insert(snapshotLevels).values(
          RISK_LEVELS.map((max_risk_level, index) => ({
            account_key: accountKey,
            snapshot_id: id,
            max_risk_level,
            user_count: counts[index] ?? 0,
            event_count: 0,
          })),
        );
      await this.run({
        account_key: accountKey,
        run_id: id,
        started_at: at,
        verdict,
        snapshot_id: id,
        evidence,
      });
      return id;
    },
    /** Returns user_key. */
    async user(row: Row<typeof users, 'account_key' | 'user_id' | 'first_seen_at'>): Promise<number> {
      const [highest] = await db
        .select({ key: sql<number | null>`max(${users.user_key})::integer` })
        .from(users);
      const key = (highest?.key ?? 0) + 1;
      await db.insert(users).values({
        user_key: key,
        max_risk_level: null,
        event_count: 3,
        last_event: '2026-01-01T09:00:00Z',
        identity_since: row.first_seen_at,
        snapshot_id: 1,
        ...row,
      });
      return key;
    },
    async levels(rows: readonly Omit<InferInsertModel<typeof userLevels>, 'snapshot_id'>[]): Promise<void> {
      await db.insert(userLevels).values(rows.map((row) => ({ ...row, snapshot_id: 1 })));
    },
    async identities(
      rows: readonly Omit<InferInsertModel<typeof userIdentities>, 'snapshot_id'>[],
    ): Promise<void> {
      await db.insert(userIdentities).values(rows.map((row) => ({ ...row, snapshot_id: 1 })));
    },
    async lookup(row: InferInsertModel<typeof lookups>): Promise<void> {
      await db.insert(lookups).values({ level_at: row.outcome === 'level' ? row.asked_at : null, ...row });
    },
    async rejected(
      row: Row<typeof rejectedRecords, 'account_key' | 'record_hash' | 'raw' | 'last_run_id'>,
    ): Promise<void> {
      await db.insert(rejectedRecords).values({
        reason: 'max_risk_level: unknown level',
        first_run_id: row.last_run_id,
        first_seen_at: '2026-01-01T10:00:00Z',
        last_seen_at: '2026-01-01T10:00:00Z',
        ...row,
      });
    },
  };
}
