// What a walk has counted by now: in the current reading, and in all of them. It reports after every step, so that a
// failed walk is recorded with these counts.
import type { Pass, PassProgress } from '../../cloudflare/paging/pass.ts';
import type { Evidence, PassEvidence } from '../../evidence.ts';
import type { PageOutcome } from './compare-records.ts';
import { countReason, type ReasonCounts } from './reason-counts.ts';
import type { Judgement, PassFacts, PassOverlap } from './verdict.ts';

export type WalkCounts = {
  passes: number;
  pages: number;
  /** Distinct users with an accepted record, over all passes. Same as a snapshot's met_count. */
  usersMet: number;
  /** Records beyond the first record of a user, in the newest pass. */
  duplicates: number;
  /** Rejected records of the pass that has most of them. */
  rejected: number;
  totalFirst: number | null;
  totalLast: number | null;
  /** Facts behind the verdict. No emails, no names. */
  evidence: Evidence;
};

export const NOTHING_COUNTED: WalkCounts = {
  passes: 0,
  pages: 0,
  usersMet: 0,
  duplicates: 0,
  rejected: 0,
  totalFirst: null,
  totalLast: null,
  evidence: {},
};

/** Counts of one reading, without pages that repeat an earlier page. */
type ReadingCounts = Pick<PassFacts, 'records' | 'rejected' | 'unreadable'>;

/** A pass that has ended, and the judgement of the walk that includes it. */
export type EndedPass = {
  pass: Pass;
  facts: PassFacts;
  overlap: PassOverlap | null;
  judgement: Judgement;
};

export type WalkCounter = {
  beginPass(number: number): void;
  /** A pass starts from its first page: the first time, or again with smaller pages. */
  beginReading(): void;
  countPage(page: PageOutcome): void;
  /** Rejected records of the page that are only counted, without their text. */
  countUnkept(unkept: ReasonCounts): void;
  /** `usersMet` is passed with each page: a run that ends here is recorded with it. */
  noteProgress(progress: PassProgress, usersMet: number): void;
  notePages(pass: Pick<Pass, 'pages'>): void;
  endPass(ended: EndedPass): void;
  endWalk(end: { reasons: string[] }): void;
  reading(): Readonly<ReadingCounts>;
  /** Counts of everything that was read, even in a pass that did not end. */
  all(): { records: number; unreadable: number };
};

/** Counts of everything that was read. */
type AllCounts = { records: number; unreadable: number; withoutEmail: number; withoutName: number };

/** `report` gets a new object each time. */
export function createWalkCounter(report: (counts: WalkCounts) => void): WalkCounter {
  let counts = NOTHING_COUNTED;
  let reading: ReadingCounts = { records: 0, rejected: 0, unreadable: 0 };
  let unkept: ReasonCounts = new Map();
  let pagesBefore = 0;
  let repeatedPages = 0;
  const passes: PassEvidence[] = [];
  const all: AllCounts = { records: 0, unreadable: 0, withoutEmail: 0, withoutName: 0 };

  function note(news: Partial<WalkCounts>): void {
    counts = { ...counts, ...news };
    // The evidence of the newest reading, kept even if other evidence was replaced.
    const rejected = unkept.size === 0 ? {} : { rejected_not_kept: Object.fromEntries(unkept) };
    report({ ...counts, evidence: { ...counts.evidence, ...rejected } });
  }

  return {
    beginPass: (number) => note({ passes: number }),
    beginReading() {
      reading = { records: 0, rejected: 0, unreadable: 0 };
      unkept = new Map();
      pagesBefore = counts.pages;
    },
    countPage(page) {
      addPage(page, reading, all);
      note({ rejected: Math.max(counts.rejected, reading.rejected) });
    },
    countUnkept(more) {
      for (const [reason, records] of more) countReason(unkept, reason, records);
      if (more.size > 0) note({});
    },
    noteProgress({ pages, total, pageSize, repeatedPages: repeated }, usersMet) {
      note({
        usersMet,
        pages: pagesBefore + pages,
        totalFirst: counts.totalFirst ?? total,
        totalLast: total ?? counts.totalLast,
        ...(counts.passes === 1 ? { evidence: { first_page_size: pageSize, repeated_pages: repeated } } : {}),
      });
    },
    notePages: ({ pages }) => note({ pages: pagesBefore + pages }),
    endPass(ended) {
      const { pass, judgement } = ended;
      repeatedPages += pass.repeatedPages;
      passes.push(evidenceOfPass(ended));
      note({
        duplicates: judgement.duplicates,
        totalLast: pass.totalLast,
        evidence: evidenceOfWalk(ended, passes, { ...all, repeatedPages }),
      });
    },
    endWalk: ({ reasons }) => note({ evidence: { ...counts.evidence, reasons, ...unreadableOf(all) } }),
    reading: () => reading,
    all: () => ({ records: all.records, unreadable: all.unreadable }),
  };
}

function addPage(page: PageOutcome, reading: ReadingCounts, all: AllCounts): void {
  reading.records += page.records;
  reading.rejected += page.rejected;
  reading.unreadable += page.unreadable;
  all.records += page.records;
  all.unreadable += page.unreadable;
  all.withoutEmail += page.withoutEmail;
  all.withoutName += page.withoutName;
}

function evidenceOfWalk(
  { pass, judgement }: EndedPass,
  passes: readonly PassEvidence[],
  all: AllCounts & { repeatedPages: number },
): Evidence {
  return {
    ...(pass.paging === null ? {} : { paging: pass.paging }),
    reasons: judgement.reasons,
    repeated_pages: all.repeatedPages,
    one_response: pass.oneResponse,
    ...(passes.length > 1 ? { passes: [...passes] } : {}),
    ...lacksOf(all),
    ...(pass.refusedEnd === null ? {} : { refused_end: pass.refusedEnd }),
    ...(pass.unknownFields.length > 0 ? { unknown_fields: pass.unknownFields } : {}),
  };
}

function evidenceOfPass({ facts, overlap, judgement }: EndedPass): PassEvidence {
  return {
    records: facts.records,
    met: facts.met,
    duplicates: judgement.duplicates,
    total_first: facts.totalFirst,
    total_last: facts.totalLast,
    ...(overlap === null ? {} : { met_before: overlap.both, met_first: overlap.onlyThis }),
  };
}

function unreadableOf({ unreadable }: Pick<AllCounts, 'unreadable'>): Evidence {
  return unreadable > 0 ? { unreadable_records: unreadable } : {};
}

/** Counts of what was missing in the records; empty if nothing was. */
function lacksOf(all: AllCounts): Evidence {
  return {
    ...(all.withoutEmail > 0 ? { records_without_email: all.withoutEmail } : {}),
    ...(all.withoutName > 0 ? { records_without_name: all.withoutName } : {}),
    ...unreadableOf(all),
  };
}
