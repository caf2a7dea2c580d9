// An account with a list that the test sets: synced in the test's own process, without HTTP, and compared row for row.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { Pool } from '../../../src/db/pool.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import type { Published } from '../../../src/sync/publish-seen.ts';
import type { RunDeps, RunResult } from '../../../src/sync/run-sync.ts';
import { RISK_LEVELS, type UserRisk } from '../../../src/user-risk.ts';
import { rebuild } from '../oracle/assert-promises.ts';
import { uuidOf } from '../world/random-world.ts';
import { serveRecords } from './serve-records.ts';
import { wholeness } from '../oracle/wholeness.ts';
import { runSyncOf } from '../stage.ts';

export type SyncOver = {
  pool?: Pool;
  settings?: Partial<RunDeps['settings']>;
  timing?: LeaseTiming;
  failpoint?: RunDeps['failpoint'];
  dryRun?: boolean;
  observedAt?: Date;
  /** Bad records that are served besides the people. */
  beside?: readonly unknown[];
  /** Called before a page is answered. If it throws, its error is the answer. Passes count from 1. */
  onPage?: (request: { pass: number; page: number; perPage: number }) => Promise<void>;
  /** The largest page that is served. */
  pageLimit?: number;
  /** The total that each pass (from 1) states; by default, the number of people. */
  total?: (pass: number) => number;
};

export type ServedAccount = {
  id: string;
  /** In the order in which they are served. */
  people: UserRisk[];
  sync(over?: SyncOver): Promise<RunResult>;
  /** A sync that publishes a complete snapshot equal to `people`. */
  succeed(over?: SyncOver): Promise<Published & { snapshotId: number }>;
  /** A sync that fails with this code, and leaves users and history unchanged. */
  fail(code: ErrorCode, exit: number, over?: SyncOver): Promise<RunResult>;
  /** The snapshot equals `people`, and the history has no defect. */
  assertExact(snapshotId: number): Promise<void>;
};

/** As the API serves it, with microseconds. */
export function personOf(account: string, n: number): UserRisk {
  const day = String((n % 28) + 1).padStart(2, '0');
  return {
    user_id: uuidOf(`${account}/${n}`),
    email: n % 13 === 0 ? null : `person${n}.of.${account.slice(0, 6)}@example.com`,
    name: n % 17 === 0 ? null : `Person ${n} of ${account.slice(0, 6)}`,
    max_risk_level: RISK_LEVELS[n % 3] ?? 'low',
    event_count: n % 40,
    last_event: `2026-01-${day}T10:00:00.${String(n % 1_000_000).padStart(6, '0')}Z`,
  };
}

export function servedAccount(
  pool: Pool,
  users: number,
  id = randomBytes(16).toString('hex'),
): ServedAccount {
  const account: ServedAccount = {
    id,
    people: Array.from({ length: users }, (_, n) => personOf(id, n)),
    async sync(over = {}) {
      const outcome = await runSyncOf(
        id,
        {
          pool: over.pool ?? pool,
          client: clientOf(account, over),
          settings: { perPage: 1_000, ...over.settings },
          timing: over.timing ?? LEASE_TIMING,
          ...(over.failpoint === undefined ? {} : { failpoint: over.failpoint }),
        },
        {
          dryRun: over.dryRun ?? false,
          ...(over.observedAt === undefined ? {} : { observedAt: over.observedAt }),
        },
      );
      return outcome;
    },
    async succeed(over) {
      const { error, published } = await account.sync(over);
      assert.equal(error, null, `${error?.code}: ${error?.message}`);
      assert.ok(published !== null);
      assert.equal(published.verdict, 'complete');
      const { snapshotId } = published;
      assert.ok(snapshotId !== null);
      await account.assertExact(snapshotId);
      return { ...published, snapshotId };
    },
    async fail(code, exit, over) {
      const result = await account.sync(over);
      assert.deepEqual([result.error?.code, result.error?.exit], [code, exit], result.error?.message);
      assert.equal(result.published, null);
      return result;
    },
    async assertExact(snapshotId) {
      const byId = (a: UserRisk, b: UserRisk) => (a.user_id < b.user_id ? -1 : 1);
      assert.deepEqual(await rebuild(pool, snapshotId, id), account.people.toSorted(byId));
      assert.deepEqual(await wholeness(pool, id), []);
      const left = await pool.query(
        `select 1 from risk_internal.staged_changes union all
         select 1 from risk_internal.leases join risk.accounts using (account_key) where account_id = $1`,
        [id],
      );
      assert.equal(left.rowCount, 0, 'a lease or staged changes are left over');
    },
  };
  return account;
}

function clientOf(
  account: ServedAccount,
  { beside = [], onPage, total, pageLimit = 1_000 }: SyncOver,
): Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> {
  let pass = 0;
  return {
    async summaryPage({ page, perPage, openReader }) {
      if (page === 1) pass++;
      const now = pass;
      await onPage?.({ pass: now, page, perPage });
      const all = [...account.people, ...beside];
      const size = Math.min(perPage, pageLimit);
      const records = all.slice((page - 1) * size, page * size);
      const totalCount = total?.(now) ?? all.length;
      return serveRecords(records, { page, per_page: size, total_count: totalCount }, openReader);
    },
    /** A user who is not in the list has left. */
    async lookUpUser({ userId }) {
      const user = account.people.find((one) => one.user_id === userId);
      if (user === undefined) return null;
      const { email, name, max_risk_level: riskLevel, last_event: newestEvent } = user;
      return { email, name, riskLevel, lastResetTime: null, newestEvent, hasUnreadableEvents: false };
    },
  };
}
