// Gives the verdict on a walk of one or more passes. Pure functions; the caller brings the numbers.
import { plural } from '../../words.ts';

export type Verdict = 'complete' | 'partial';

/** What one reading of all pages showed. */
export type PassFacts = {
  /**
   * Records, accepted or rejected. This count and the others leave out pages that repeat the users of an earlier page.
   */
  records: number;
  rejected: number;
  /** Rejected records whose user could not be read. */
  unreadable: number;
  /** Distinct users met, including those of rejected records with a readable id. */
  met: number;
  totalFirst: number | null;
  totalLast: number | null;
  totalsMoved: boolean;
  /** The whole account arrived in one response: nothing can have moved between pages. */
  oneResponse: boolean;
  /** What the source of the pages knows to be missing, in the words of `status --run`. */
  doubts?: readonly string[];
};

export type WalkFacts = {
  /** In the order in which they were read; at least one. */
  passes: readonly PassFacts[];
  /** Distinct users met in all passes together. */
  met: number;
  /** The newest pass compared with all earlier ones; null after one pass. */
  overlap: PassOverlap | null;
};

export type Judgement = {
  verdict: Verdict;
  /** Records beyond the first record of a user, in the newest pass. */
  duplicates: number;
  /** Estimate of the present users that no pass met, from comparing the passes; null after one pass. */
  expectedUnseen: number | null;
  /** Why the walk is partial, in the words of `status --run`. Empty if it is complete. */
  reasons: string[];
};

/**
 * A walk is complete on one of two kinds of evidence. First: nothing moved while the newest pass was read. There was no
 * duplicate, the total was constant, and as many distinct users were met as the total says. Without a total, the whole
 * account arrived in one response. Second: the passes agree. Comparing them leaves less than UNSEEN_LIMIT users that no
 * pass met, and if the server states a total, at least that number of users was met. Without the condition on the
 * total, a server that serves only the first 10,000 rows would pass as complete every time. If the source itself has a
 * doubt, no evidence outweighs it.
 */
export function judgeWalk(facts: WalkFacts): Judgement {
  const pass = newest(facts);
  const unreadable = facts.passes.reduce((sum, { unreadable }) => sum + unreadable, 0);
  const duplicates = pass.records - pass.unreadable - pass.met;
  const expectedUnseen = facts.overlap === null ? null : estimateUnseen(facts.overlap);
  const reasons: string[] = [];
  if (unreadable > 0) reasons.push(`${unreadable} records had no readable user id`);
  if (pass.met < facts.met * LEAST_SHARE)
    reasons.push(`the newest pass met only ${pass.met} of the ${facts.met} users that the walk met`);
  reasons.push(...(pass.doubts ?? []));
  const movements = movementsIn(pass, duplicates);
  const passesAgree =
    expectedUnseen !== null &&
    expectedUnseen < UNSEEN_LIMIT &&
    (pass.totalFirst === null || facts.met >= pass.totalFirst);
  if (movements.length > 0 && !passesAgree) {
    reasons.push(...movements);
    if (expectedUnseen !== null && expectedUnseen >= UNSEEN_LIMIT)
      reasons.push(
        `about ${expectedUnseen.toFixed(2)} users were missed by all ${facts.passes.length} passes`,
      );
    else if (expectedUnseen !== null)
      reasons.push(
        `the passes agree, but the server stated a total of ${pass.totalFirst} users, and ${facts.met} were met`,
      );
  }
  return { verdict: reasons.length === 0 ? 'complete' : 'partial', duplicates, expectedUnseen, reasons };
}

/** Why one pass alone proves nothing. Empty if nothing moved while it was read. */
function movementsIn(pass: PassFacts, duplicates: number): string[] {
  const found: string[] = [];
  if (duplicates > 0)
    found.push(`${plural(duplicates, 'record')} came twice: the list moved while it was read`);
  if (pass.totalsMoved) found.push('the total changed while the pages were read');
  const total = pass.totalLast;
  if (total === null && !pass.oneResponse) found.push('the server stated no total');
  if (total !== null && total !== pass.met + pass.unreadable)
    found.push(`the server stated a total of ${total} users, and ${pass.met} were met`);
  return found;
}

export type PassOverlap = { onlyEarlier: number; onlyThis: number; both: number };

/**
 * Below this, a walk of several passes is complete. Simulated with two passes: a limit of 0.5 missed a present user in
 * 3 of 2,000 walks; 0.05 missed none in 3,000. docs/reliability.md has the table for this implementation.
 */
export const UNSEEN_LIMIT = 0.05;

/**
 * The newest pass must meet at least this share of the users that the walk met. A pass that ends early, or is empty
 * while the server recovers, agrees with every earlier pass. Comparing the passes would mistake that for proof.
 */
const LEAST_SHARE = 1 / 2;

/** Estimates the present users that no pass met, by capture and recapture (Chapman's estimator). */
export function estimateUnseen({ onlyEarlier, onlyThis, both }: PassOverlap): number {
  return (onlyEarlier * onlyThis) / (both + 1);
}

/** Whether reading all pages once more may turn a partial walk into a complete one. */
export function needsAnotherPass(facts: WalkFacts, judgement: Judgement, maxPasses: number): boolean {
  if (judgement.verdict === 'complete' || facts.passes.length >= maxPasses) return false;
  // Another pass cannot help: a record without a readable user stays unassigned.
  if (facts.passes.some(({ unreadable }) => unreadable > 0)) return false;
  // No more passes if the list did not move, brought no new user, and still misses the total: then the total counts
  // something else, or rows are hidden.
  const isStill = judgement.duplicates === 0 && !newest(facts).totalsMoved;
  return facts.overlap === null || facts.overlap.onlyThis > 0 || !isStill;
}

/**
 * The API has changed, or this version is wrong. The limit is more than 5 % rejected and at least 20, or half or more
 * at any size, of the records or of the users. Users count on their own, because one record that is repeated often must
 * not hide the others. `accepted`: users with an accepted record, among `met`.
 */
export function tooManyRejected(
  pass: Pick<PassFacts, 'records' | 'rejected' | 'unreadable' | 'met'> & { accepted: number },
): boolean {
  const { records, rejected, unreadable, met, accepted } = pass;
  const isMany = rejected >= 20 && rejected > records * 0.05;
  const refused = met - accepted + unreadable;
  return rejected > 0 && (isMany || rejected * 2 >= records || refused >= accepted);
}

function newest({ passes }: WalkFacts): PassFacts {
  const last = passes.at(-1);
  if (last === undefined) throw new Error('a walk without a pass');
  return last;
}
