// What becomes of the present users that a walk did not meet. Pure.
import type { Verdict } from './verdict.ts';

export type AbsenceFacts = {
  verdict: Verdict;
  /** Users present before this publish. */
  present: number;
  /** Of those, the ones that the walk did not meet. */
  missing: number;
  /** Records in the answer, rejected ones included. */
  records: number;
  acceptMassClear: boolean;
};

export type AbsenceDecision =
  /** Clear the missing ones. */
  | 'clear'
  /** Keep them, marked as absent. */
  | 'carry'
  /** Keep them and call the run a failure: too many at once. */
  | 'mass_clear'
  /** Publish nothing. */
  | 'empty_answer';

/** Below this many a large share means little: three users of four is an ordinary clean-up. */
const MASS_CLEAR_LEAST = 20;
const MASS_CLEAR_RATIO = 0.5;

export function decideAbsence(facts: AbsenceFacts): AbsenceDecision {
  if (facts.records === 0 && facts.present > 0 && !facts.acceptMassClear) return 'empty_answer';
  if (facts.verdict === 'partial') return 'carry';
  const isMass = facts.missing >= MASS_CLEAR_LEAST && facts.missing > facts.present * MASS_CLEAR_RATIO;
  return isMass && !facts.acceptMassClear ? 'mass_clear' : 'clear';
}
