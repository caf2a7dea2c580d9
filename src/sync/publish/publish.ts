// One transaction: users, history, counts and the run's record commit together, or nothing does. The only place where a
// run changes the history of users.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type SQLWrapper } from 'drizzle-orm';
import { copyRows } from '../../db/copy-rows.ts';
import { isDuplicateKey, isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import { inline, writtenOut } from '../../db/sql/inline-sql.ts';
import { setLocal } from '../../db/sql/set-local.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { accountWriters, stagedChanges } from '../../db/schema.ts';
import {
  CommitUnknown,
  inTransaction,
  type Transaction,
  type TransactionLimits,
} from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';
import { beat, fence, findPublished, leaseLost, releaseLease, type Lease } from '../claim/lease.ts';
import { runRecord, type RunFacts } from '../record-run.ts';
import type { AccountState } from '../state/read-state.ts';
import { stateMoved } from '../state/state-errors.ts';
import type { Verdict } from '../walk/verdict.ts';
import { CHANGE_COLUMNS, type ChangeCounts, type Changes } from './changes.ts';
import { waitForClock, type ClockWait } from './wait-for-clock.ts';
import { changeStatements } from './write-changes.ts';
import { snapshotStatements, type SnapshotFacts, type Statement } from './write-snapshot.ts';

export type PublishRequest = {
  lease: Lease;
  /** The header as it was read during the run, before any comparison. */
  state: Pick<AccountState, 'lastWriter' | 'newestAt' | 'hasComplete' | 'present'>;
  /** The instant of the snapshot, by the database's clock: when the walk began. */
  observedAt: string;
  verdict: Verdict;
  expectedUnseen: number | null;
  /** Distinct users with an accepted record. */
  met: number;
  /** The changes, and the maximum number of their rows. Each attempt reads them again, and gets the same rows. */
  readChanges: () => Changes;
  changeCount: number;
  /** The new users who stand for erased people. */
  erasedAppeared?: readonly string[];
  facts: RunFacts;
  /** Recorded with the run, although the met users are published. */
  guard: OperatorError | null;
};

export type PublishHooks = ClockWait & {
  /** Named points at which tests stop the process; nothing in production. */
  failpoint?: (name: 'copying' | 'copied' | 'publishing') => Promise<void>;
  cancel?: AbortSignal;
  /** Shorter limits, for tests. */
  limits?: Partial<TransactionLimits>;
  /** Called before the lease row is locked, because a heartbeat under way would wait for that lock. */
  beforeFence?: () => Promise<void>;
  /** Statements to run in the same transaction. Called again if the transaction begins again. */
  alongside?: (tx: Transaction, snapshot: PublishedAt) => Alongside[];
};

/** `rows`: the number of rows that it touches. No parameter may be an email or a name. */
export type Alongside = { sql: SQLWrapper; rows: number };

/** `observedAt`: the instant of the snapshot as it was written. */
export type PublishedAt = { accountKey: number; snapshotId: number; observedAt: string };

// A stopped process must release the feed clock before its lease expires, or it blocks every account.
const LOCK_MS = 20_000;
const IDLE_MS = 20_000;
const STATEMENT_MS = 25_000;
// A first load of 1,000,000 users takes longer than any fixed limit that would still catch a hanging statement.
const MS_PER_ROW = 0.2;
const COPY_MS = 60_000;
// With one change per this number of users or more, one join that reads all users is faster than index probes. A probe
// takes 3 µs.
const BULK_SHARE = 5;

/**
 * Publishes the changes. Returns the snapshot's id and the counts. If `cancel` aborts, the publish is rolled back,
 * unless its commit has begun. Throws STATE_MOVED, LEASE_LOST, COMMIT_UNKNOWN, the reason of `cancel` or `endWait`, or
 * the error of the database.
 */
export async function publish(
  pool: Pool,
  request: PublishRequest,
  hooks: PublishHooks = {},
): Promise<{ snapshotId: number; counts: ChangeCounts }> {
  const { lease } = request;
  const { failpoint } = hooks;
  const limits = { lockMs: LOCK_MS, idleMs: IDLE_MS, statementMs: statementMs(request), ...hooks.limits };
  for (let attempt = 0; ; attempt++) {
    let result: { snapshotId: number; counts: ChangeCounts } | undefined;
    const giveUp = new AbortController();
    hooks.cancel?.throwIfAborted();
    try {
      return await inTransaction(
        pool,
        limits,
        async (tx, client, locks) => {
          const { counts, rows } = request.readChanges();
          // The COPY runs before any lock that others wait for: no limit of the server ends a COPY if its client has
          // stopped.
          if (request.changeCount > 0)
            await copyRows(client, stagedChanges, CHANGE_COLUMNS, rows, {
              timeoutMs: COPY_MS + request.changeCount * MS_PER_ROW,
              ...(failpoint ? { beforeChunk: () => failpoint('copying') } : {}),
            });
          await failpoint?.('copied');
          const takeClock = () => waitForClock(tx, lease.accountKey, locks, limits, hooks, giveUp);
          result = { snapshotId: await publishIn(tx, request, counts, hooks, takeClock), counts };
          return result;
        },
        AbortSignal.any([giveUp.signal, ...(hooks.cancel ? [hooks.cancel] : [])]),
      );
    } catch (error) {
      if (error instanceof CommitUnknown && result !== undefined) {
        if (await wasPublished(pool, lease)) return result;
      } else if (isDuplicateKey(error)) {
        throw stateMoved(lease, 'while the run was under way', error);
      } else if (!isPassing(error)) {
        throw error;
      }
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined) throw error;
      // Between two attempts, this run holds no lock on the lease row, and its last heartbeat is older than the failed
      // attempt. So it sends a heartbeat. A failed heartbeat proves nothing: the fence decides.
      if (!(await beat(pool, lease).catch(() => true))) throw leaseLost(lease);
      await sleep(pause);
    }
  }
}

function statementMs({ changeCount }: PublishRequest): number {
  return STATEMENT_MS + Math.round(changeCount * MS_PER_ROW);
}

/**
 * Keeps asking, whatever the error, until the database answers. Throws COMMIT_UNKNOWN after a time in which any restart
 * would be over.
 */
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
        happened: `The database went away while run ${lease.runId} was being committed, and has not come back`,
        means: 'Either the whole snapshot was published, or nothing. Which of the two is not known yet',
        todo: 'Nothing: once the database answers, the next run continues from what it finds there (`zt-risk-sync status` shows it)',
        cause: error,
      });
    }
  }
}

async function publishIn(
  tx: Transaction,
  request: PublishRequest,
  counts: ChangeCounts,
  { failpoint, beforeFence, alongside }: PublishHooks,
  takeClock: () => Promise<number>,
): Promise<number> {
  const { lease, state } = request;
  await holdSchema(tx);
  await beforeFence?.();
  await fence(tx, lease);
  const observedAt = await checkState(tx, request);
  const isBulk = counts.rows * BULK_SHARE >= state.present;
  await tx.execute(sql.raw(planFor(isBulk)));
  // From here to COMMIT, no other account can publish. It takes three round trips: this one, all the writes, and
  // COMMIT.
  const snapshotId = await takeClock();
  const facts: SnapshotFacts = {
    accountKey: lease.accountKey,
    runId: lease.runId,
    snapshotId,
    observedAt,
    verdict: request.verdict,
    expectedUnseen: request.expectedUnseen,
    isBaseline: !state.hasComplete,
    met: request.met,
    erasedAppeared: request.erasedAppeared ?? [],
  };
  const { verdict, expectedUnseen, guard: error } = request;
  const end = { ...request.facts, verdict, snapshotId, feedId: snapshotId, expectedUnseen, error };
  await runAll(tx, lease, [
    ...changeStatements(facts, counts).map(asText),
    ...snapshotStatements(facts, counts).map(asText),
    ...(alongside?.(tx, { accountKey: lease.accountKey, snapshotId, observedAt }) ?? []).map(writtenOutText),
    writtenOutText({ sql: runRecord(tx, lease, end), rows: 1 }),
    writtenOutText({ sql: releaseLease(tx, lease), rows: 1 }),
  ]);
  await failpoint?.('publishing');
  return snapshotId;
}

type Text = { text: string; rows: number };
/** The statements that write users hold no parameter at all. */
const asText = (one: Statement): Text => ({ text: inline(one.sql), rows: one.rows });
const writtenOutText = (one: Alongside): Text => ({ text: writtenOut(one.sql), rows: one.rows });

/**
 * Checks that the last writer of the account is the one whose state was read. Returns observed_at, which rises by at
 * least a millisecond per snapshot of an account. Throws STATE_MOVED.
 */
async function checkState(tx: Transaction, { lease, state, observedAt }: PublishRequest): Promise<string> {
  const w = accountWriters;
  const { rows } = await tx.execute<{ lastWriter: number; next: string }>(sql`
    select coalesce((select ${w.last_snapshot_id} from ${w} where ${w.account_key} = ${lease.accountKey}), -1)::float8 as "lastWriter",
           -- The same with every DateStyle of the session.
           to_char(greatest(date_trunc('milliseconds', ${observedAt}::timestamptz),
             ${state.newestAt}::timestamptz + interval '1 millisecond') at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as next`);
  const [now] = rows;
  if (now === undefined || now.lastWriter !== state.lastWriter)
    throw stateMoved(lease, 'while the run was under way');
  return now.next;
}

/**
 * The sizes are known here, but not to the planner: it has no statistics about an account that is new or was just
 * loaded. It once joined 100,000 changes with 100,000 users in a nested loop (measured: minutes instead of 2 s).
 * Compiling such plans (jit) costs more than running them.
 */
function planFor(isBulk: boolean): string {
  const joins = isBulk ? ['enable_nestloop'] : ['enable_hashjoin', 'enable_mergejoin'];
  return setLocal(...[...joins, 'jit'].map((setting) => `${setting} = off`));
}

/**
 * Runs the statements in one round trip. If a statement touches a different number of rows than the comparison counted,
 * the state has changed: STATE_MOVED.
 */
async function runAll(tx: Transaction, lease: Lease, statements: readonly Text[]): Promise<void> {
  // The driver answers several statements with a list, and there are always several.
  const results = (await tx.execute(
    sql.raw(statements.map(({ text }) => text).join(';\n')),
  )) as unknown as readonly { rowCount: number | null }[];
  if (statements.some(({ rows }, n) => results[n]?.rowCount !== rows))
    throw stateMoved(lease, 'while the run was under way');
}
