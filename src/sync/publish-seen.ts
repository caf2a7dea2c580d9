// Turns what a run has seen and decided into a published snapshot, or into the counts of a dry run.
import { orAborted } from '../cloudflare/or-aborted.ts';
import type { Pool } from '../db/pool.ts';
import type { OperatorError } from '../errors.ts';
import type { Change } from '../user-risk.ts';
import type { Decided } from './decide.ts';
import { dropLease, type Lease } from './claim/lease.ts';
import type { Seen } from './look.ts';
import type { RunFacts } from './record-run.ts';
import { total } from './state/level-sums.ts';
import { brokenPublish } from './state/state-errors.ts';
import type { Verdict } from './walk/verdict.ts';
import { countRows, readChanges, type ChangeCounts } from './publish/changes.ts';
import { publish, type PublishHooks } from './publish/publish.ts';
import { readBack } from './publish/read-back.ts';
import { refreshStatistics } from './publish/refresh-statistics.ts';

export type Published = Record<Change, number> & {
  /** Null after a dry run. */
  snapshotId: number | null;
  verdict: Verdict;
  users: number;
  met: number;
  carried: number;
  /** Users the history knows: those with another email or name, and those with other counters. */
  renamed: number;
  activityChanged: number;
  /**
   * Why the run failed although it published: missing users were kept, or the number of rows written differs from the
   * count.
   */
  guard: OperatorError | null;
};

type DecidedRun = { lease: Lease; seen: Seen; decided: Decided };

/** Counts the changes and releases the lease. */
export async function leaveUnpublished(pool: Pool, { lease, seen, decided }: DecidedRun): Promise<Published> {
  const { counts, rows } = readChanges(lease.accountKey, decided.inputs);
  for (const _ of rows);
  await dropLease(pool, lease);
  return describe(null, counts, seen, decided);
}

/** Throws what `publish` throws. */
export async function publishSeen(
  { pool, failpoint }: { pool: Pool; failpoint?: PublishHooks['failpoint'] },
  run: DecidedRun & {
    observedAt: string;
    facts: RunFacts;
    cancel: AbortSignal;
    beforeFence: () => Promise<void>;
    alongside?: PublishHooks['alongside'];
  } & Required<Pick<PublishHooks, 'onWait' | 'endWait'>>,
): Promise<Published> {
  const { lease, seen, decided, observedAt, facts, cancel, beforeFence, alongside, onWait, endWait } = run;
  const { snapshotId, counts } = await publish(
    pool,
    {
      lease,
      state: seen.state,
      observedAt,
      verdict: decided.verdict,
      expectedUnseen: seen.walked.judgement.expectedUnseen,
      met: seen.table.counts().acceptedAll,
      readChanges: () => readChanges(lease.accountKey, decided.inputs),
      changeCount: countRows(decided.inputs),
      erasedAppeared: seen.erasedAppeared,
      facts,
      guard: decided.guard,
    },
    {
      cancel,
      beforeFence,
      ...(failpoint ? { failpoint } : {}),
      ...(alongside ? { alongside } : {}),
      onWait,
      endWait,
    },
  );
  // The snapshot is published. Losing the connection now does no harm.
  const there = await orAborted(
    readBack(pool, lease.accountKey, seen.state.lastUserKey, counts),
    cancel,
  ).catch(() => null);
  await orAborted(refreshStatistics(pool, counts), cancel).catch(() => false);
  const isWhole = there === null || there.every((rows) => rows === counts.appeared);
  const guard = isWhole ? decided.guard : brokenPublish(lease, counts.appeared, there);
  return describe(snapshotId, counts, seen, { ...decided, guard });
}

function describe(
  snapshotId: number | null,
  counts: ChangeCounts,
  { table }: Seen,
  { verdict, guard }: Pick<Decided, 'verdict' | 'guard'>,
): Published {
  const { appeared, raised, lowered, cleared, returned, renamed, acted: activityChanged } = counts;
  const { users } = total(counts.sums);
  const met = table.counts().acceptedAll;
  const changes = { appeared, raised, lowered, cleared, returned };
  const carried = users - met;
  return { snapshotId, verdict, users, met, carried, ...changes, renamed, activityChanged, guard };
}
