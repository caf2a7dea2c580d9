// The verdict on a walk of one or more passes. Pure functions; the numbers come from elsewhere.

export type Verdict = 'complete' | 'partial';

/** What one reading of all pages showed. */
export type PassFacts = {
  /** Records accepted or rejected; like the other counts without pages that merely repeated the users of an earlier one. */
  records: number;
  rejected: number;
  /** Rejected records whose user could not be read. */
  unreadable: number;
  /** Distinct users met, rejected records with a readable id included. */
  met: number;
  totalFirst: number | null;
  totalLast: number | null;
  totalsMoved: boolean;
  /** The whole account came in one response: nothing can have moved between pages. */
  oneResponse: boolean;
};

export type WalkFacts = {
  /** In the order in which they were read; at least one. */
  passes: readonly PassFacts[];
  /** Distinct users met in all passes together. */
  met: number;
  /** The newest pass held against all earlier ones; null after one pass. */
  overlap: PassOverlap | null;
};

export type Judgement = {
  verdict: Verdict;
  /** Of the newest pass: records beyond the first of their user. */
  duplicates: number;
  /** Present users that no pass met, as comparing the passes suggests; null after one pass. */
  expectedUnseen: number | null;
  /** Why it is partial, in the words of `status --run`. Empty when complete. */
  reasons: string[];
};

/**
 * Complete, on one of two kinds of evidence. Nothing moved while the newest pass was read: no duplicate, constant totals, as
 * many distinct users as the total says, or the whole account in one response. Or the passes agree: comparing them leaves
 * less than UNSEEN_LIMIT users whom none has met, and where the server states a total, as many were met. Without the last
 * condition a server that serves only the first 10,000 rows would pass for whole as often as it is asked.
 */
export function judgeWalk(facts: WalkFacts): Judgement {
  const pass = newest(facts);
  const unreadable = facts.passes.reduce((sum, { unreadable }) => sum + unreadable, 0);
  const duplicates = pass.records - pass.unreadable - pass.met;
  const expectedUnseen = facts.overlap === null ? null : estimateUnseen(facts.overlap);
  const reasons: string[] = [];
  if (unreadable > 0) reasons.push(`${unreadable} records did not say which user they speak of`);
  if (pass.met < facts.met * LEAST_SHARE)
    reasons.push(
      `the newest reading of all pages met ${pass.met} users, of ${facts.met} that were met in all`,
    );
  const movements = movementsIn(pass, duplicates);
  const passesAgree =
    expectedUnseen !== null &&
    expectedUnseen < UNSEEN_LIMIT &&
    (pass.totalFirst === null || facts.met >= pass.totalFirst);
  if (movements.length > 0 && !passesAgree) {
    reasons.push(...movements);
    if (expectedUnseen !== null && expectedUnseen >= UNSEEN_LIMIT)
      reasons.push(
        `about ${expectedUnseen.toFixed(2)} users were met by none of ${facts.passes.length} passes`,
      );
    else if (expectedUnseen !== null)
      reasons.push(
        `the passes agree, and the server spoke of ${pass.totalFirst} users where ${facts.met} were met`,
      );
  }
  return { verdict: reasons.length === 0 ? 'complete' : 'partial', duplicates, expectedUnseen, reasons };
}

/** What keeps a pass from being proof by itself; empty when nothing moved while it was read. */
function movementsIn(pass: PassFacts, duplicates: number): string[] {
  const found: string[] = [];
  if (duplicates > 0) found.push(`${duplicates} records came twice: the list moved while it was read`);
  if (pass.totalsMoved) found.push('the total changed while the pages were read');
  const total = pass.totalLast;
  if (total === null && !pass.oneResponse) found.push('the server stated no total');
  if (total !== null && total !== pass.met + pass.unreadable)
    found.push(`the server spoke of ${total} users, and ${pass.met} were met`);
  return found;
}

export type PassOverlap = { onlyEarlier: number; onlyThis: number; both: number };

/**
 * Below this a walk of several passes is complete. Simulated: two passes under 0.5 missed a present user in 3 of 2,000
 * walks, under 0.05 in none of 3,000. docs/reliability.md has the table for this implementation.
 */
export const UNSEEN_LIMIT = 0.05;

/**
 * Of the users met in all passes the newest must meet at least so many. One that breaks off early, or is empty while the
 * server recovers, agrees with whatever came before it: comparing the passes would take it for proof.
 */
const LEAST_SHARE = 1 / 2;

/** Present users that no pass met, by capture and recapture (Chapman's estimator). */
export function estimateUnseen({ onlyEarlier, onlyThis, both }: PassOverlap): number {
  return (onlyEarlier * onlyThis) / (both + 1);
}

/** Whether reading all pages once more may turn a partial walk into a complete one. */
export function needsAnotherPass(facts: WalkFacts, judgement: Judgement, maxPasses: number): boolean {
  if (judgement.verdict === 'complete' || facts.passes.length >= maxPasses) return false;
  // No pass can take back a record of which nobody knows whose it is.
  if (facts.passes.some(({ unreadable }) => unreadable > 0)) return false;
  // A still list that brought nobody new, and a total that is not reached: it counts otherwise, or the server hides the rest.
  const isStill = judgement.duplicates === 0 && !newest(facts).totalsMoved;
  return facts.overlap === null || facts.overlap.onlyThis > 0 || !isStill;
}

/** More than 5 % rejected and at least 20: the API has changed, or this version is wrong. */
export function tooManyRejected(pass: Pick<PassFacts, 'records' | 'rejected'>): boolean {
  return pass.rejected >= 20 && pass.rejected > pass.records * 0.05;
}

function newest({ passes }: WalkFacts): PassFacts {
  const last = passes.at(-1);
  if (last === undefined) throw new Error('a walk without a pass');
  return last;
}
