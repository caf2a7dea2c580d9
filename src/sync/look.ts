// The phases of a run that only look. They read the state, walk all pages and compare, ask the database about users
// that the state lacks, and ask Cloudflare about the absent. They write only rejected records.
import type { CloudflareClient } from '../cloudflare/client.ts';
import { orAborted } from '../cloudflare/or-aborted.ts';
import type { ReadPages } from '../cloudflare/paging/pass.ts';
import { pagesOfApi } from '../cloudflare/paging/walk-pages.ts';
import { readErased, type Erased } from '../db/erased/read-erased.ts';
import type { Pool } from '../db/pool.ts';
import { readAgain } from '../db/read-again.ts';
import { memoryLimitBytes } from '../host/host-memory.ts';
import type { PiiPolicy } from '../pii-policy.ts';
import type { Logger } from '../logger.ts';
import { askAbsent, type Answers } from './absence/ask-absent.ts';
import type { Lease } from './claim/lease.ts';
import { readIdentities } from './absence/held-identities.ts';
import { missingRows, readMissing, type MissingUser } from './absence/missing-users.ts';
import { createMemoryCheck } from './state/check-memory.ts';
import { requireMode } from './state/identity-mode.ts';
import { randomHashKey, type HashKey } from '../keyed-hash.ts';
import { readState, type AccountState } from './state/read-state.ts';
import { resolveUnknown } from './state/resolve-unknown.ts';
import type { Tally } from './tally.ts';
import { createUserTable, readUserId, type UserTable } from './state/user-table.ts';
import { createChangeLog, type ChangeLog } from './walk/change-log.ts';
import { createComparison, type Comparison, type PageOutcome } from './walk/compare-records.ts';
import { identityPolicy, type IdentityPolicy } from './walk/identity-policy.ts';
import { createQuarantine } from './walk/quarantine.ts';
import { walk, type Walk, type WalkProgress, type WalkSettings } from './walk/walk.ts';

/** What a run knows after these phases: the account's state, all pages, and the answers about the absent. */
export type Seen = {
  state: AccountState;
  table: UserTable;
  /** The key of the hashes in the table. */
  key: HashKey;
  log: ChangeLog;
  walked: Walk;
  missing: MissingUser[];
  answers: Answers;
  /** The ids of erased people whom the account meets for the first time. */
  erasedAppeared: string[];
};

export type LookDeps = {
  pool: Pool;
  client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'>;
  /** The source of the pages, if not the client. */
  readPages?: ReadPages<PageOutcome>;
  logger: Logger;
  settings: WalkSettings & {
    confirm: 'lookup' | 'walks';
    confirmLookups: number;
    rejectedRetentionMs: number;
    pii: PiiPolicy;
  };
  /** Named points at which tests stop the process; nothing in production. */
  failpoint?: (name: 'reading' | 'walked' | 'asked') => Promise<void>;
};

export type LookRun = {
  lease: Lease;
  observedAt: string;
  /** The page size with which SYNC_PER_PAGE=auto begins. */
  firstSize: number;
  acceptMassClear: boolean;
  tally: Pick<Tally, 'countUse' | 'noteWalk' | 'addEvidence'>;
  /** Ends walk and lookups: a signal, a lost lease, or the time budget. */
  stop: AbortSignal;
  /**
   * The same, but earlier by the time that is kept for the publish. After it, no read of the database is waited for.
   */
  over: AbortSignal;
  /** Milliseconds left of the time budget, and whether an abort came from it. */
  timeLeft: () => number;
  isOutOfTime: (reason: unknown) => boolean;
  onProgress: (progress: WalkProgress) => void;
  /** Called when all pages were read, before any user is looked up. */
  onWalked: (walked: Walk) => void;
};

export async function look(deps: LookDeps, run: LookRun): Promise<Seen> {
  const { failpoint } = deps;
  const began = performance.now();
  // The database's clock dates the run, so it also tells what is in the future.
  const now = () => Date.parse(run.observedAt) + performance.now() - began;
  await orAborted(requireMode(deps.pool, run.lease, deps.settings.pii), run.over);
  const memory = { table: createUserTable(), key: randomHashKey(), log: createChangeLog() };
  const { state, walked, comparison, erased, policy } = await readAndWalk(deps, run, memory);
  run.onWalked(walked);
  await failpoint?.('walked');
  await orAborted(resolveUnknown({ pool: deps.pool, ...memory }, run.lease, state), run.over);
  const missing = await orAborted(findMissing(deps.pool, run.lease, memory.table, erased), run.over);
  const answers = await askAbout(deps, { ...run, now }, { table: memory.table, missing, walked, comparison });
  await failpoint?.('asked');
  const erasedAppeared = [...policy.erasedMet()].filter((userId) => isNew(memory.table, userId));
  return { state, ...memory, walked, missing, answers, erasedAppeared };
}

function isNew(table: UserTable, userId: string): boolean {
  const id = new Int32Array(4);
  readUserId(userId, id);
  return table.key(table.find(id)) === 0;
}

type Memory = Pick<Seen, 'table' | 'key' | 'log'>;

/** The state is read while the first pages are fetched. Nothing is compared before the state is whole. */
async function readAndWalk(
  deps: LookDeps,
  run: LookRun,
  memory: Memory,
): Promise<{
  state: AccountState;
  walked: Walk;
  comparison: Comparison;
  erased: Erased;
  policy: IdentityPolicy;
}> {
  const { pool, client, readPages = pagesOfApi(client), settings, failpoint } = deps;
  const { lease, stop, tally } = run;
  const { table, log } = memory;
  const checkMemory = createMemoryCheck(memoryLimitBytes(), () => table.bytes() + log.bytes());
  const onRange = async () => {
    checkMemory();
    await failpoint?.('reading');
  };
  const failed = new AbortController();
  const untilFailed = AbortSignal.any([stop, failed.signal]);
  const reading = readState({ pool, ...memory, onRange }, lease, run.observedAt, untilFailed);
  // Whoever awaits it gets its failure. Until then, the failure must not count as an unhandled rejection.
  reading.catch(() => undefined);
  const erased = readAgain(() => readErased(pool));
  const policy = erased.then((people) => identityPolicy(settings.pii, people));
  policy.catch(() => undefined);
  const comparison = createComparison({ ...memory, checkMemory, whole: reading, policy });
  const { rejectedRetentionMs: retentionMs, pii } = settings;
  const quarantine = createQuarantine(pool, lease, { retentionMs, pii, signal: run.over });
  try {
    const walked = await walk({ readPages, comparison, table, quarantine, checkMemory }, settings, {
      accountId: lease.accountId,
      firstSize: run.firstSize,
      signal: stop,
      countUse: tally.countUse,
      report: tally.noteWalk,
      timeLeft: run.timeLeft,
      isOutOfTime: run.isOutOfTime,
      onProgress: run.onProgress,
    });
    return { state: await reading, walked, comparison, erased: await erased, policy: await policy };
  } catch (error) {
    // Otherwise the reading would go on in the background, into the next run.
    failed.abort(error);
    await orAborted(
      reading.catch(() => undefined),
      run.over,
    ).catch(() => undefined);
    throw error;
  }
}

async function findMissing(
  pool: Pool,
  lease: Lease,
  table: UserTable,
  erased: Erased,
): Promise<MissingUser[]> {
  const rows = missingRows(table);
  return rows.length === 0 ? [] : readMissing(pool, lease, table, rows, erased);
}

async function askAbout(
  deps: LookDeps,
  run: LookRun & { now: () => number },
  {
    table,
    missing,
    walked,
    comparison,
  }: Pick<Seen, 'table' | 'missing' | 'walked'> & { comparison: Comparison },
): Promise<Answers> {
  const { pool, client, logger } = deps;
  const askDeps = {
    client,
    logger,
    readIdentities: (users: readonly MissingUser[]) =>
      orAborted(readIdentities(pool, run.lease, users, deps.settings.pii), run.over),
  };
  const answers = await askAbsent(askDeps, {
    lease: run.lease,
    table,
    missing,
    lastMet: comparison.lastMet(),
    settings: deps.settings,
    unreadable: walked.unreadable > 0,
    isComplete: walked.judgement.verdict === 'complete',
    acceptMassClear: run.acceptMassClear,
    signal: run.stop,
    endsAsking: run.isOutOfTime,
    timeLeft: run.timeLeft,
    now: run.now,
    countUse: run.tally.countUse,
  });
  if (answers.evidence !== null) run.tally.addEvidence({ lookups: answers.evidence });
  if (run.stop.aborted && !run.isOutOfTime(run.stop.reason)) throw run.stop.reason;
  return answers;
}
