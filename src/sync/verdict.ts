// The verdict on a walk, and what becomes of the users it did not meet. Pure functions; the numbers come from elsewhere.

export type Verdict = 'complete' | 'partial';

export type WalkFacts = {
  /** Records accepted or rejected, without pages that merely repeated an earlier one. */
  records: number;
  rejected: number;
  /** Rejected records whose user could not be read: who is missing is then unknown. */
  unreadable: number;
  /** Distinct users met, rejected records with a readable id included. */
  met: number;
  totalFirst: number | null;
  totalLast: number | null;
  totalsMoved: boolean;
  /** The whole account came in one response: nothing can have moved between pages. */
  oneResponse: boolean;
  /** From comparing passes; null after one pass. */
  expectedUnseen: number | null;
};

export type Judgement = {
  verdict: Verdict;
  /** Accepted or readable records beyond the first of their user. */
  duplicates: number;
  /** Why it is partial, in the words of `status --run`. Empty when complete. */
  reasons: string[];
};

/**
 * One pass is complete when nothing moved: no duplicate, constant totals, and as many distinct users as the total says;
 * or when the whole account came in one response.
 */
export function judgeWalk(facts: WalkFacts): Judgement {
  // Users of rejected records count for all passes, records for one: with several passes the difference can be negative.
  const duplicates = Math.max(0, facts.records - facts.unreadable - facts.met);
  const reasons: string[] = [];
  if (facts.unreadable > 0) reasons.push(`${facts.unreadable} records did not say which user they speak of`);
  if (duplicates > 0) reasons.push(`${duplicates} records came twice: the list moved while it was read`);
  if (facts.totalsMoved) reasons.push('the total changed while the pages were read');
  const total = facts.totalLast;
  if (total === null && !facts.oneResponse) {
    if (facts.expectedUnseen === null)
      reasons.push('the server stated no total, and the pages were read only once');
    else if (facts.expectedUnseen >= UNSEEN_LIMIT)
      reasons.push(`about ${facts.expectedUnseen.toFixed(2)} users were not met`);
  }
  if (total !== null && total !== facts.met + facts.unreadable) {
    reasons.push(`the server spoke of ${total} users, and ${facts.met} were met`);
  }
  return { verdict: reasons.length === 0 ? 'complete' : 'partial', duplicates, reasons };
}

export type PassOverlap = { onlyEarlier: number; onlyThis: number; both: number };

/**
 * Below this a walk of several passes is complete. Simulated: two passes under 0.5 missed a present user in 3 of 2,000
 * walks, under 0.05 in none of 3,000.
 */
export const UNSEEN_LIMIT = 0.05;

/** Present users that no pass met, by capture and recapture (Chapman's estimator). */
export function estimateUnseen({ onlyEarlier, onlyThis, both }: PassOverlap): number {
  return (onlyEarlier * onlyThis) / (both + 1);
}

/** Whether the pages must be read once more: without a total, agreement between passes is the only evidence. */
export function needsAnotherPass(facts: WalkFacts, passes: number, maxPasses: number): boolean {
  if (passes >= maxPasses || facts.oneResponse || facts.totalLast !== null) return false;
  return facts.expectedUnseen === null || facts.expectedUnseen >= UNSEEN_LIMIT;
}

/** More than 5 % rejected and at least 20: the API has changed, or this version is wrong. */
export function tooManyRejected(facts: Pick<WalkFacts, 'records' | 'rejected'>): boolean {
  return facts.rejected >= 20 && facts.rejected > facts.records * 0.05;
}
