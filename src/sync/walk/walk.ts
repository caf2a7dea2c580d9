// The walk of one run: its passes over all pages, every record compared as it comes. Knows no database.
import type { ClientUsage, CloudflareClient } from '../../cloudflare/client.ts';
import { walkPages, type Pass } from '../../cloudflare/walk-pages.ts';
import { OperatorError } from '../../errors.ts';
import type { PassEvidence } from '../../evidence.ts';
import type { RunFacts } from '../record-run.ts';
import type { MetCounts, UserTable } from '../state/user-table.ts';
import {
  judgeWalk,
  needsAnotherPass,
  tooManyRejected,
  type Judgement,
  type PassFacts,
  type PassOverlap,
} from './verdict.ts';
import type { Comparison, PageOutcome } from './compare-records.ts';
import type { Quarantine } from './quarantine.ts';

export type WalkSettings = { perPage: 'auto' | number; concurrency: number; maxPasses: number };

export type WalkProgress = { pass: number; pages: number; expectedPages: number | null; records: number };

/** Counts are of everything that was read, also in a pass that did not come to its end. */
export type Walk = { judgement: Judgement; records: number; unreadable: number };

export type WalkDeps = {
  client: Pick<CloudflareClient, 'summaryPage'>;
  comparison: Pick<Comparison, 'openReader' | 'take'>;
  table: Pick<UserTable, 'beginReading' | 'counts'>;
  quarantine: Quarantine;
  /** Throws when the process has no memory for what is kept. */
  checkMemory: () => void;
};

export type WalkRun = {
  accountId: string;
  signal: AbortSignal;
  /** Filled as the walk goes on, so that a failed walk is recorded with what was known of it. */
  facts: RunFacts;
  usage: ClientUsage;
  /** Milliseconds that the time budget leaves. */
  timeLeft(): number;
  /** Whether an abort came from the time budget: what was read by then still counts. */
  isOutOfTime(error: unknown): boolean;
  onProgress(progress: WalkProgress): void;
};

/** Another pass takes about as long as the last one; begun without room for it, its requests would be for nothing. */
const ROOM_FOR_A_PASS = 1.2;

/** Throws what `walkPages` throws, and TOO_MANY_REJECTED. Rejected records are written down however it ends. */
export async function walk(deps: WalkDeps, settings: WalkSettings, run: WalkRun): Promise<Walk> {
  let walked: Walk;
  try {
    walked = await readPasses(deps, settings, run);
  } catch (error) {
    // What keeps them from being written is not what ended the walk.
    await deps.quarantine.flush().catch(() => undefined);
    throw error;
  }
  await deps.quarantine.flush();
  return walked;
}

async function readPasses(
  { client, comparison, table, quarantine, checkMemory }: WalkDeps,
  settings: WalkSettings,
  run: WalkRun,
): Promise<Walk> {
  const passes: PassFacts[] = [];
  const evidence: PassEvidence[] = [];
  const missingFields = { email: 0, name: 0 };
  const walked = { records: 0, unreadable: 0 };
  // Of the reading under way: a pass that has to begin again is another one.
  let seen = { records: 0, rejected: 0, unreadable: 0 };
  let began = 0;
  let pagesBefore = 0;
  let largest = Number.POSITIVE_INFINITY;
  let repeatedPages = 0;
  let judgement: Judgement | null = null;
  const unreadableRecords = () => (walked.unreadable > 0 ? { unreadable_records: walked.unreadable } : {});

  function beginReading(): void {
    seen = { records: 0, rejected: 0, unreadable: 0 };
    table.beginReading();
    began = performance.now();
    pagesBefore = run.facts.pages;
  }

  function count(page: PageOutcome): void {
    seen.records += page.records;
    seen.rejected += page.rejected.length;
    seen.unreadable += page.unreadable;
    walked.records += page.records;
    walked.unreadable += page.unreadable;
    missingFields.email += page.withoutEmail;
    missingFields.name += page.withoutName;
    run.facts.rejected = Math.max(run.facts.rejected, seen.rejected);
  }

  async function readPass(number: number): Promise<{ pass: Pass; facts: PassFacts }> {
    run.facts.passes = number;
    beginReading();
    const pass = await walkPages({
      fetchPage: (page, perPage) =>
        client.summaryPage({
          accountId: run.accountId,
          page,
          perPage,
          signal: run.signal,
          usage: run.usage,
          openReader: comparison.openReader,
        }),
      accept: async (_page, outcome, isRepeat) => {
        if (!isRepeat) count(outcome);
        comparison.take(outcome);
        checkMemory();
        await quarantine.add(outcome.rejected);
      },
      restart: (perPage) => {
        largest = perPage;
        beginReading();
      },
      countMet: () => table.counts().anyThis,
      perPage: settings.perPage,
      largest,
      concurrency: settings.concurrency,
      onPage: (p) => {
        run.facts.pages = pagesBefore + p.pages;
        // What is known so far: a walk that fails is recorded with it.
        run.facts.totalFirst ??= p.total;
        run.facts.totalLast = p.total ?? run.facts.totalLast;
        if (number === 1)
          run.facts.evidence = { first_page_size: p.pageSize, repeated_pages: p.repeatedPages };
        run.onProgress({ pass: number, pages: p.pages, expectedPages: p.expected, records: p.records });
      },
    });
    run.facts.pages = pagesBefore + pass.pages;
    const { totalFirst, totalLast, totalsMoved, oneResponse } = pass;
    const met = table.counts().anyThis;
    return { pass, facts: { ...seen, met, totalFirst, totalLast, totalsMoved, oneResponse } };
  }

  for (;;) {
    const read = await readPass(passes.length + 1).catch((error: unknown) => {
      if (judgement !== null && run.isOutOfTime(error)) return null;
      throw error;
    });
    if (read === null) {
      if (tooManyRejected(seen)) throw tooManyRejects(seen);
      run.facts.usersMet = table.counts().anyAll;
      judgement = {
        ...judgement!,
        reasons: [...judgement!.reasons, 'the time budget ended in another pass'],
      };
      break;
    }
    const { pass, facts } = read;
    passes.push(facts);
    repeatedPages += pass.repeatedPages;
    const overlap = passes.length > 1 ? overlapOf(table.counts()) : null;
    const all = { passes, met: table.counts().anyAll, overlap };
    judgement = judgeWalk(all);
    const { records, met, totalFirst, totalLast } = facts;
    evidence.push({
      records,
      met,
      duplicates: judgement.duplicates,
      total_first: totalFirst,
      total_last: totalLast,
      ...(overlap === null ? {} : { met_before: overlap.both, met_first: overlap.onlyThis }),
    });
    Object.assign(run.facts, {
      usersMet: all.met,
      duplicates: judgement.duplicates,
      totalLast,
      evidence: {
        paging: pass.paging,
        reasons: judgement.reasons,
        repeated_pages: repeatedPages,
        one_response: pass.oneResponse,
        ...(passes.length > 1 ? { passes: evidence } : {}),
        ...(missingFields.email > 0 ? { records_without_email: missingFields.email } : {}),
        ...(missingFields.name > 0 ? { records_without_name: missingFields.name } : {}),
        ...unreadableRecords(),
        ...(pass.unknownFields.length > 0 ? { unknown_fields: pass.unknownFields } : {}),
      },
    });
    if (tooManyRejected(facts)) throw tooManyRejects(facts);
    if (!needsAnotherPass(all, judgement, settings.maxPasses)) break;
    if (run.timeLeft() < (performance.now() - began) * ROOM_FOR_A_PASS) {
      const why = 'the time budget left no room for another pass';
      judgement = { ...judgement, reasons: [...judgement.reasons, why] };
      break;
    }
  }
  run.facts.evidence = { ...run.facts.evidence, reasons: judgement.reasons, ...unreadableRecords() };
  return { judgement, ...walked };
}

/** Of accepted records: a rejected one is met for what its user is worth, and tells nothing of how a pass misses. */
function overlapOf({ acceptedThis, acceptedAll, acceptedBoth }: Readonly<MetCounts>): PassOverlap {
  return {
    onlyEarlier: acceptedAll - acceptedThis,
    onlyThis: acceptedThis - acceptedBoth,
    both: acceptedBoth,
  };
}

function tooManyRejects({ records, rejected }: Pick<PassFacts, 'records' | 'rejected'>): OperatorError {
  return new OperatorError({
    code: 'TOO_MANY_REJECTED',
    happened: `${rejected} of ${records} records could not be accepted`,
    means:
      'The API has changed or answers wrongly, so nothing was published; the records are kept in risk_internal.rejected_records',
    todo: 'Look at the reasons with `zt-risk-sync rejected list`, and look for a newer release of zt-risk-sync',
  });
}
