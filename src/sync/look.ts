// The phases of a run that only look: read the state, walk all pages and compare, ask the database about whom the state lacks,
// ask Cloudflare about the absent. Nothing is written but rejected records.
import type { ClientUsage, CloudflareClient } from '../cloudflare/client.ts';
import type { Pool } from '../db/pool.ts';
import { memoryLimitBytes } from '../host/host-memory.ts';
import type { Logger } from '../logger.ts';
import { askAbsent, type Answers } from './absence/ask-absent.ts';
import type { Lease } from './claim/lease.ts';
import { missingRows, readMissing, type MissingUser } from './absence/missing-users.ts';
import type { RunFacts } from './record-run.ts';
import { createMemoryCheck } from './state/check-memory.ts';
import { randomHashKey, type HashKey } from '../keyed-hash.ts';
import { readState, type AccountState } from './state/read-state.ts';
import { resolveUnknown } from './state/resolve-unknown.ts';
import { createUserTable, type UserTable } from './state/user-table.ts';
import { createChangeLog, type ChangeLog } from './walk/change-log.ts';
import { createComparison } from './walk/compare-records.ts';
import { createQuarantine } from './walk/quarantine.ts';
import { walk, type Walk, type WalkProgress, type WalkSettings } from './walk/walk.ts';

/** What a run knows when it has looked: at the account's state, at all pages, and at the records of the absent. */
export type Seen = {
  state: AccountState;
  table: UserTable;
  /** Of the hashes in the table. */
  key: HashKey;
  log: ChangeLog;
  walked: Walk;
  missing: MissingUser[];
  answers: Answers;
};

export type LookDeps = {
  pool: Pool;
  client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'>;
  logger: Logger;
  settings: WalkSettings & { confirm: 'lookup' | 'walks'; confirmLookups: number };
  /** Named instants at which tests stop the process; nothing in production. */
  failpoint?: (name: 'reading' | 'walked' | 'asked') => Promise<void>;
};

export type LookRun = {
  lease: Lease;
  observedAt: string;
  acceptMassClear: boolean;
  /** Filled as the run goes on. */
  facts: RunFacts;
  usage: ClientUsage;
  /** Ends the run: a signal, a lost lease, or the time budget. */
  stop: AbortSignal;
  /** Milliseconds that the time budget leaves, and whether an abort came from it. */
  timeLeft: () => number;
  isOutOfTime: (reason: unknown) => boolean;
  onProgress: (progress: WalkProgress) => void;
  /** Called when all pages were read, before anybody is asked about. */
  onWalked: (walked: Walk) => void;
};

export async function look(deps: LookDeps, run: LookRun): Promise<Seen> {
  const { pool, settings, failpoint } = deps;
  const { lease, facts, stop } = run;
  const table = createUserTable();
  const log = createChangeLog();
  const key = randomHashKey();
  const checkMemory = createMemoryCheck(memoryLimitBytes(), () => table.bytes() + log.bytes());
  const onRange = async () => {
    checkMemory();
    await failpoint?.('reading');
  };
  const failed = new AbortController();
  const untilFailed = AbortSignal.any([stop, failed.signal]);
  const reading = readState({ pool, table, key, onRange }, lease, run.observedAt, untilFailed);
  // Whoever waits for it hears of its failure: until then it is nobody's.
  reading.catch(() => undefined);
  const comparison = createComparison({ table, key, log, whole: reading });
  const quarantine = createQuarantine(pool, lease);
  const walked = await walk({ client: deps.client, comparison, table, quarantine, checkMemory }, settings, {
    accountId: lease.accountId,
    signal: stop,
    facts,
    usage: run.usage,
    timeLeft: run.timeLeft,
    isOutOfTime: run.isOutOfTime,
    onProgress: run.onProgress,
  }).catch(async (error: unknown) => {
    // It goes on in the background otherwise, into the next run.
    failed.abort(error);
    await reading.catch(() => undefined);
    throw error;
  });
  const state = await reading;
  run.onWalked(walked);
  await failpoint?.('walked');

  await resolveUnknown({ pool, table, key }, lease, state);
  const rows = missingRows(table);
  const missing = rows.length === 0 ? [] : await readMissing(pool, lease, table, rows);
  const answers = await askAbsent(deps, {
    lease,
    table,
    missing,
    lastMet: comparison.lastMet(),
    settings,
    unreadable: walked.unreadable > 0,
    isComplete: walked.judgement.verdict === 'complete',
    acceptMassClear: run.acceptMassClear,
    signal: stop,
    endsAsking: run.isOutOfTime,
    timeLeft: run.timeLeft,
    usage: run.usage,
  });
  facts.lookups = answers.evidence?.asked ?? 0;
  if (answers.evidence !== null) facts.evidence = { ...facts.evidence, lookups: answers.evidence };
  if (stop.aborted && !run.isOutOfTime(stop.reason)) throw stop.reason;
  await failpoint?.('asked');
  return { state, table, key, log, walked, missing, answers };
}
