// The walk of one run: its passes over all pages, every record parsed and staged. Knows no history.
import type { ClientUsage, CloudflareClient } from '../cloudflare/client.ts';
import { parseRecord } from '../cloudflare/record.ts';
import { walkPages, type Pass } from '../cloudflare/walk-pages.ts';
import { EXIT, OperatorError } from '../errors.ts';
import type { UserRisk } from '../user-risk.ts';
import type { RunFacts } from './record-run.ts';
import type { RejectedRecord, Stager } from './stage.ts';
import {
  estimateUnseen,
  judgeWalk,
  needsAnotherPass,
  tooManyRejected,
  type Judgement,
  type WalkFacts,
} from './verdict.ts';

export type WalkSettings = { perPage: 'auto' | number; concurrency: number; maxPasses: number };

export type WalkProgress = { pass: number; pages: number; expectedPages: number | null; records: number };

export type Walk = { judgement: Judgement; records: number; expectedUnseen: number | null };

/** Fills `run` as it goes, so that a failed walk is recorded with what was known of it. */
export async function walk(
  client: Pick<CloudflareClient, 'summaryPage'>,
  stager: Stager,
  accountId: string,
  settings: WalkSettings,
  signal: AbortSignal,
  run: { facts: RunFacts; usage: ClientUsage },
  onProgress: (progress: WalkProgress) => void,
): Promise<Walk> {
  let readOrder = 0;
  let rejected = 0;
  let unreadable = 0;
  let withoutEmail = 0;
  let withoutName = 0;
  let records = 0;
  let expectedUnseen: number | null = null;
  const passes: Pass[] = [];
  for (;;) {
    const number = passes.length + 1;
    let unreadableInPass = 0;
    run.facts.passes = number;
    const pass = await walkPages({
      fetchPage: (page, perPage) =>
        client.summaryPage({ accountId, page, perPage, signal, usage: run.usage }),
      accept: async (page, raw) => {
        const parsed = parsePage(raw);
        rejected += parsed.rejected.length;
        unreadable += parsed.unreadable;
        unreadableInPass += parsed.unreadable;
        withoutEmail += parsed.users.filter((user) => user.email === null).length;
        withoutName += parsed.users.filter((user) => user.name === null).length;
        run.facts.rejected = rejected;
        await stager.add({
          pass: number,
          page,
          readOrder: readOrder++,
          users: parsed.users,
          rejected: parsed.rejected,
        });
      },
      countMet: () => stager.countMet(number),
      perPage: settings.perPage,
      concurrency: settings.concurrency,
      onPage: (p) => {
        run.facts.pages = passes.reduce((sum, earlier) => sum + earlier.pages, 0) + p.pages;
        // What is known so far: a walk that fails is recorded with it.
        run.facts.totalFirst ??= p.total;
        run.facts.totalLast = p.total ?? run.facts.totalLast;
        run.facts.evidence = { first_page_size: p.pageSize, repeated_pages: p.repeatedPages };
        onProgress({ pass: number, pages: p.pages, expectedPages: p.expected, records: p.records });
      },
    });
    passes.push(pass);
    records += pass.records - pass.repeatedRecords;
    if (number > 1) expectedUnseen = estimateUnseen(await stager.comparePasses(number));

    const met = await stager.countMet();
    const metInPass = number === 1 ? met : await stager.countMet(number);
    const facts: WalkFacts = {
      // Whichever pass held an unreadable record, who is missing is unknown. Those of earlier passes are no duplicates.
      records: pass.records - pass.repeatedRecords + unreadable - unreadableInPass,
      rejected,
      unreadable,
      met: metInPass,
      totalFirst: passes[0]?.totalFirst ?? null,
      totalLast: pass.totalLast,
      totalsMoved: pass.totalsMoved,
      oneResponse: pass.oneResponse,
      expectedUnseen,
    };
    const judgement = judgeWalk(facts);
    Object.assign(run.facts, {
      pages: passes.reduce((sum, p) => sum + p.pages, 0),
      usersMet: met,
      duplicates: judgement.duplicates,
      rejected,
      totalFirst: facts.totalFirst,
      totalLast: facts.totalLast,
      evidence: {
        paging: pass.paging,
        reasons: judgement.reasons,
        repeated_pages: passes.reduce((sum, p) => sum + p.repeatedPages, 0),
        one_response: pass.oneResponse,
        ...(withoutEmail > 0 ? { records_without_email: withoutEmail } : {}),
        ...(withoutName > 0 ? { records_without_name: withoutName } : {}),
        ...(unreadable > 0 ? { unreadable_records: unreadable } : {}),
        ...(pass.unknownFields.length > 0 ? { unknown_fields: pass.unknownFields } : {}),
      },
    });
    if (tooManyRejected({ records, rejected })) throw tooManyRejects(records, rejected);
    if (!needsAnotherPass(facts, number, settings.maxPasses)) return { judgement, records, expectedUnseen };
  }
}

function parsePage(raw: readonly unknown[]): {
  users: UserRisk[];
  rejected: RejectedRecord[];
  unreadable: number;
} {
  const users: UserRisk[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of raw) {
    const parsed = parseRecord(record);
    if (parsed.ok) users.push(parsed.user);
    else rejected.push(parsed);
  }
  return { users, rejected, unreadable: rejected.filter((record) => record.userId === null).length };
}

function tooManyRejects(records: number, rejected: number): OperatorError {
  return new OperatorError({
    code: 'TOO_MANY_REJECTED',
    exit: EXIT.failed,
    happened: `${rejected} of ${records} records could not be accepted`,
    means:
      'The API has changed or answers wrongly, so nothing was published; the records are kept in risk_internal.rejected_records',
    todo: 'Look at the reasons there, and look for a newer release of zt-risk-sync',
  });
}
