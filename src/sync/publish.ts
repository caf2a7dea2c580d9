// One transaction: users, history, counts and the run's record commit together, or nothing does. The only place where
// the history changes.
import { setTimeout as sleep } from 'node:timers/promises';
import { desc, eq, sql } from 'drizzle-orm';
import { isPassing, RESTART_PAUSES_MS } from '../db/database-errors.ts';
import { holdSchema } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { feedClock, snapshots, stagedRecords } from '../db/schema.ts';
import { CommitUnknown, inTransaction, setLimits, type Transaction } from '../db/transaction.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { decideAbsence, isUnfinished } from './absence.ts';
import type { Answers } from './ask-absent.ts';
import { chooseCleared, writeDiff } from './diff.ts';
import { clearPending, emptyAnswer, massClear } from './guards.ts';
import { beat, fence, findPublished, leaseLost, releaseLease, type Lease } from './lease.ts';
import { recordRun, type RunFacts } from './record-run.ts';
import type { Verdict } from './verdict.ts';
import { writeChanges, writeSnapshot } from './write-changes.ts';

export type PublishRequest = {
  lease: Lease;
  /** The instant that the snapshot stands for, as the database's clock read it when the walk began. */
  observedAt: string;
  verdict: Verdict;
  expectedUnseen: number | null;
  /** Rows per pass that staging acknowledged. */
  acknowledged: ReadonlyMap<number, number>;
  /** Records in the answers, rejected ones included. */
  records: number;
  /** Of them, those that do not say whom they speak of. */
  unreadable: number;
  answers: Pick<Answers, 'confirmation' | 'byUser'>;
  acceptMassClear: boolean;
  maxClearedRatio: number;
  /** Compare only: the lease is released and nothing else changes. */
  dryRun: boolean;
  facts: RunFacts;
};

/** A named instant inside the transaction at which tests kill the process; nothing in production. */
type Failpoint = (name: 'publishing') => Promise<void>;

export type Published = {
  snapshotId: number | null;
  verdict: Verdict;
  users: number;
  met: number;
  carried: number;
  appeared: number;
  raised: number;
  lowered: number;
  cleared: number;
  returned: number;
  /** Set when the met users were published and the missing ones kept, all or some: the run has failed all the same. */
  guard: OperatorError | null;
};

// A stopped process must let go of the feed clock before its lease runs out: otherwise it blocks every account.
const LIMITS = { lockMs: 20_000, idleMs: 20_000, statementMs: 25_000 };
// A first load of 1,000,000 users takes longer than any fixed limit that would still catch a hanging statement.
const STATEMENT_MS_PER_ROW = 0.2;
const CLOCK_TOLERANCE = '5 minutes';

/**
 * Publishes what was staged. When `cancel` is aborted it is rolled back, unless it is already being committed. Throws STAGING_LOST,
 * LEASE_LOST, EMPTY_ANSWER, CLOCK_BACKWARDS, cancel.reason, or what the database says.
 */
export async function publish(
  pool: Pool,
  request: PublishRequest,
  { failpoint, cancel }: { failpoint?: Failpoint; cancel?: AbortSignal } = {},
): Promise<Published> {
  const { lease } = request;
  for (let attempt = 0; ; attempt++) {
    let result: Published | undefined;
    cancel?.throwIfAborted();
    try {
      return await inTransaction(
        pool,
        LIMITS,
        async (tx) => {
          result = await publishIn(tx, request, failpoint);
          return result;
        },
        cancel,
      );
    } catch (error) {
      if (error instanceof CommitUnknown && result !== undefined) {
        if (request.dryRun || (await wasPublished(pool, lease))) return result;
      } else if (!isPassing(error)) {
        throw error;
      }
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined) throw error;
      // Nobody holds the lease's row between two attempts, and its last beat is older than the one that has failed. A beat that
      // does not come through proves nothing: the fence decides.
      if (!(await beat(pool, lease).catch(() => true))) throw leaseLost(lease);
      await sleep(pause);
    }
  }
}

/** Asks, whatever the error, until the database answers; throws COMMIT_UNKNOWN when a restart would long be over. */
async function wasPublished(pool: Pool, lease: Lease): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      return (await findPublished(pool, lease)) !== null;
    } catch (error) {
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause !== undefined) {
        await sleep(pause);
        continue;
      }
      throw new OperatorError({
        code: 'COMMIT_UNKNOWN',
        exit: EXIT.tryLater,
        happened: `The database went away while run ${lease.runId} was being committed, and has not come back`,
        means: 'The snapshot was published whole or not at all; which of the two is not known yet',
        todo: 'Nothing: once the database answers, the next run goes on from what is there (`zt-risk-sync status` shows it)',
        cause: error,
      });
    }
  }
}

async function publishIn(
  tx: Transaction,
  request: PublishRequest,
  failpoint?: Failpoint,
): Promise<Published> {
  const { lease } = request;
  await holdSchema(tx);
  await fence(tx, lease);
  const staged = await checkStaged(tx, request);
  await setLimits(tx, {
    ...LIMITS,
    statementMs: LIMITS.statementMs + Math.round(staged * STATEMENT_MS_PER_ROW),
  });
  const observedAt = await nextInstant(tx, lease, request.observedAt);
  const diff = await writeDiff(tx, lease, request.answers.byUser);
  const absence = { ...request, ...diff, confirmation: request.answers.confirmation };
  const decision = decideAbsence(absence);
  if (decision === 'empty_answer') throw emptyAnswer(absence);
  const isMass = decision === 'mass_clear';
  const verdict = isMass ? 'partial' : request.verdict;
  const guard = isMass ? massClear(absence) : isUnfinished(absence, decision) ? clearPending(absence) : null;
  const cleared =
    decision === 'nobody' || decision === 'mass_clear' || diff.missing === 0
      ? 0
      : await chooseCleared(tx, lease, decision);
  const result = (snapshotId: number | null): Published => {
    const users = diff.present + diff.appeared + diff.returned - cleared;
    const { met, appeared, raised, lowered, returned } = diff;
    const changes = { appeared, raised, lowered, cleared, returned };
    return { snapshotId, verdict, users, met, carried: users - met, ...changes, guard };
  };
  if (request.dryRun) {
    await releaseLease(tx, lease);
    return result(null);
  }
  // The last lock before the writing begins: while it is held, no other account can publish.
  const snapshotId = await tickFeedClock(tx);
  const facts = {
    snapshotId,
    observedAt,
    verdict,
    expectedUnseen: request.expectedUnseen,
    cleared,
  };
  await writeChanges(tx, lease, facts, diff);
  await writeSnapshot(tx, lease, facts, diff);
  await failpoint?.('publishing');
  await recordRun(tx, lease, {
    ...request.facts,
    verdict,
    snapshotId,
    expectedUnseen: request.expectedUnseen,
    error: guard,
  });
  await releaseLease(tx, lease);
  return result(snapshotId);
}

/** Postgres empties unlogged tables after a crash: half a walk would be gone in silence. Returns the rows there are. */
async function checkStaged(tx: Transaction, { lease, acknowledged }: PublishRequest): Promise<number> {
  const s = stagedRecords;
  const { rows } = await tx.execute<{ pass: number; rows: number }>(sql`
    select ${s.pass}, count(*)::integer as rows from ${s}
     where ${s.account_key} = ${lease.accountKey} and ${s.run_id} = ${lease.runId} group by ${s.pass}`);
  const there = new Map(rows.map((row) => [row.pass, row.rows]));
  for (const pass of new Set([...acknowledged.keys(), ...there.keys()])) {
    if ((acknowledged.get(pass) ?? 0) !== (there.get(pass) ?? 0)) {
      throw new OperatorError({
        code: 'STAGING_LOST',
        exit: EXIT.tryLater,
        happened: `Of the ${acknowledged.get(pass) ?? 0} records staged in pass ${pass}, the database has ${there.get(pass) ?? 0}`,
        means: 'It was restarted or crashed during the walk, and nothing was published',
        todo: 'Nothing: the next run walks again',
      });
    }
  }
  return rows.reduce((sum, row) => sum + row.rows, 0);
}

/** observed_at rises by at least a millisecond per account. Throws CLOCK_BACKWARDS (exit 75). */
async function nextInstant(tx: Transaction, lease: Lease, observedAt: string): Promise<string> {
  const s = snapshots;
  const [newest] = await tx
    .select({
      next: sql<string>`greatest(date_trunc('milliseconds', ${observedAt}::timestamptz), ${s.observed_at} + interval '1 millisecond')::text`,
      backwards: sql<boolean>`${s.observed_at} - ${observedAt}::timestamptz > ${CLOCK_TOLERANCE}::interval`,
      newest: s.observed_at,
    })
    .from(s)
    .where(eq(s.account_key, lease.accountKey))
    .orderBy(desc(s.observed_at))
    .limit(1);
  if (newest === undefined) {
    const { rows } = await tx.execute<{ at: string }>(
      sql`select date_trunc('milliseconds', ${observedAt}::timestamptz)::text as at`,
    );
    return rows[0]?.at ?? observedAt;
  }
  if (newest.backwards) {
    throw new OperatorError({
      code: 'CLOCK_BACKWARDS',
      exit: EXIT.tryLater,
      happened: `The database's clock read ${observedAt} when the walk began, and the newest snapshot is of ${newest.newest}`,
      means: 'A snapshot from before the newest one would rewrite history, so nothing was published',
      todo: "Check the clock of the database's host; once it is right, the next run succeeds",
    });
  }
  return newest.next;
}

async function tickFeedClock(tx: Transaction): Promise<number> {
  const [tick] = await tx
    .update(feedClock)
    .set({ last_snapshot_id: sql`${feedClock.last_snapshot_id} + 1` })
    .where(eq(feedClock.id, 1))
    .returning({ snapshotId: feedClock.last_snapshot_id });
  if (tick === undefined) throw new Error('the feed clock has no row');
  return tick.snapshotId;
}
