// What a run knows when it starts to publish, built from the parts of a run: for tests that walk or publish by hand.
import type { Pool } from '../../../src/db/pool.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { NOBODY_ERASED } from '../../../src/db/erased/read-erased.ts';
import { missingRows, readMissing } from '../../../src/sync/absence/missing-users.ts';
import { countRows, readChanges, type ChangeInputs } from '../../../src/sync/publish/changes.ts';
import type { PublishRequest } from '../../../src/sync/publish/publish.ts';
import type { RunFacts } from '../../../src/sync/record-run.ts';
import { AS_SERVED } from '../../../src/sync/walk/identity-policy.ts';
import { randomHashKey } from '../../../src/keyed-hash.ts';
import { readState, type AccountState } from '../../../src/sync/state/read-state.ts';
import { resolveUnknown } from '../../../src/sync/state/resolve-unknown.ts';
import { createUserTable, type UserTable } from '../../../src/sync/state/user-table.ts';
import { createChangeLog } from '../../../src/sync/walk/change-log.ts';
import { createComparison, type Comparison } from '../../../src/sync/walk/compare-records.ts';

export function emptyFacts(): RunFacts {
  return {
    passes: 0,
    pages: 0,
    requests: 0,
    retries: 0,
    bytes: 0,
    usersMet: 0,
    duplicates: 0,
    rejected: 0,
    totalFirst: null,
    totalLast: null,
    lookups: 0,
    evidence: {},
  };
}

export type Look = {
  state: AccountState;
  table: UserTable;
  comparison: Comparison;
  /** Compares one answer, and lets it take effect. */
  meet(records: readonly unknown[]): Promise<void>;
  /** What a complete walk publishes after all pages. No user is cleared unless `over` says so. */
  request(over?: Partial<PublishRequest>, inputs?: Partial<ChangeInputs>): Promise<PublishRequest>;
};

/** Reads the account's state, as every run does. */
export async function lookAt(pool: Pool, lease: Lease): Promise<Look> {
  const table = createUserTable();
  const log = createChangeLog();
  const key = randomHashKey();
  const state = await readState({ pool, table, key }, lease, lease.startedAt, new AbortController().signal);
  const comparison = createComparison({ table, key, log, policy: AS_SERVED, whole: Promise.resolve() });
  return {
    state,
    table,
    comparison,
    async meet(records) {
      const reader = await comparison.openReader();
      for (const record of records) reader.add(record);
      comparison.take(reader.end());
    },
    async request(over = {}, changed = {}) {
      await resolveUnknown({ pool, table, key }, lease, state);
      const rows = missingRows(table);
      const inputs: ChangeInputs = {
        state,
        table,
        key,
        log,
        missing: rows.length === 0 ? [] : await readMissing(pool, lease, table, rows, NOBODY_ERASED),
        answers: new Map(),
        gone: new Set(),
        decision: 'nobody',
        ...changed,
      };
      return {
        lease,
        state,
        observedAt: lease.startedAt,
        verdict: 'complete',
        expectedUnseen: null,
        met: table.counts().acceptedAll,
        readChanges: () => readChanges(lease.accountKey, inputs),
        changeCount: countRows(inputs),
        facts: { ...emptyFacts(), passes: 1, pages: 1, requests: 1 },
        guard: null,
        ...over,
      };
    },
  };
}
