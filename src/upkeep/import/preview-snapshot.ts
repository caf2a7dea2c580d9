// What an import of saved pages would meet, and its verdict, without a database. The changes are unknown until the
// snapshots before it are published.
import { AS_SERVED } from '../../sync/walk/identity-policy.ts';
import { randomHashKey } from '../../keyed-hash.ts';
import type { PlannedSnapshot } from '../../saved/plan-snapshots.ts';
import { readPlanned } from '../../saved/saved-pass.ts';
import { createUserTable } from '../../sync/state/user-table.ts';
import { createChangeLog } from '../../sync/walk/change-log.ts';
import { createComparison } from '../../sync/walk/compare-records.ts';
import { NOTHING_COUNTED, type WalkCounts } from '../../sync/walk/count-walk.ts';
import type { Quarantine } from '../../sync/walk/quarantine.ts';
import type { Verdict } from '../../sync/walk/verdict.ts';
import { walk } from '../../sync/walk/walk.ts';

export type Preview = { verdict: Verdict; counts: WalkCounts };

/** Throws what reading the files throws, and TOO_MANY_REJECTED. */
export async function previewSnapshot(
  planned: PlannedSnapshot,
  { accountId, signal }: { accountId: string; signal: AbortSignal },
): Promise<Preview> {
  const memory = { table: createUserTable(), key: randomHashKey(), log: createChangeLog() };
  const comparison = createComparison({ ...memory, policy: AS_SERVED, whole: Promise.resolve() });
  let counts = NOTHING_COUNTED;
  const { judgement } = await walk(
    {
      readPages: readPlanned(planned),
      comparison,
      table: memory.table,
      quarantine: NOT_KEPT,
      checkMemory: () => undefined,
    },
    { perPage: 1, concurrency: 1, maxPasses: 1 },
    {
      accountId,
      firstSize: 1,
      signal,
      countUse: () => undefined,
      report: (now) => (counts = now),
      timeLeft: () => Infinity,
      isOutOfTime: () => false,
      onProgress: () => undefined,
    },
  );
  return { verdict: judgement.verdict, counts };
}

const NOT_KEPT: Quarantine = { add: async ({ unkept }) => unkept, end: async () => undefined };
