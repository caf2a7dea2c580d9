// What becomes of the present users that a walk did not meet: what their own records mean, and who is cleared. Pure.
import { compareInstants, type UserRecord } from '../../cloudflare/endpoints/user-record.ts';
import type { Verdict } from '../walk/verdict.ts';

/** level: still there. no_level, reset, not_found: no level now, or one from before a reset. unreadable: it did not say. */
export type LookupOutcome = 'level' | 'no_level' | 'reset' | 'not_found' | 'unreadable';

export type LookupAnswer = { outcome: LookupOutcome; lastResetTime: string | null };

/**
 * What a user's own record means. `lastEvent` is the newest event that the summary served (RFC 3339). A reset that is not older
 * than the newest event known, theirs or ours, has taken the level away, even if the record still shows the old one.
 */
export function readOutcome(record: UserRecord | null, lastEvent: string): LookupAnswer {
  if (record === null) return { outcome: 'not_found', lastResetTime: null };
  const { riskLevel, lastResetTime, newestEvent } = record;
  const newest =
    newestEvent !== null && compareInstants(newestEvent, lastEvent) > 0 ? newestEvent : lastEvent;
  if (lastResetTime !== null && compareInstants(lastResetTime, newest) >= 0)
    return { outcome: 'reset', lastResetTime };
  return { outcome: riskLevel === null ? 'no_level' : 'level', lastResetTime: null };
}

/**
 * How absence is confirmed in this run. asked: by the users' own records, and only by them. walks: records cannot be asked,
 * so that two complete walks in a row decide. later: they could not be reached this time, and the next run asks.
 */
export type Confirmation = 'asked' | 'walks' | 'later';

export type AbsenceFacts = {
  verdict: Verdict;
  /** Records of this walk that do not say whom they speak of: it may be anybody who is missing. */
  unreadable: number;
  /** Users present before this publish. */
  present: number;
  /** Of those, the ones that the walk did not meet. */
  missing: number;
  /** Of the missing, those whose own record shows a level. */
  stillThere: number;
  /** Of the missing, those whose own record shows none. */
  gone: number;
  /** Records in the answer, rejected ones included. */
  records: number;
  confirmation: Confirmation;
  acceptMassClear: boolean;
  maxClearedRatio: number;
};

export type AbsenceDecision =
  /** Keep them all, marked as absent. */
  | 'nobody'
  /** Clear those whose own record shows no level. */
  | 'gone'
  /** Clear those who were absent from an earlier complete walk, too, and not met since. */
  | 'absent_twice'
  /** Clear them all: a person has said so. */
  | 'everybody'
  /** Keep them all and call the run a failure: too many at once. */
  | 'mass_clear'
  /** Publish nothing. */
  | 'empty_answer';

/** Below this many a large share means little: three users of four is an ordinary clean-up. */
const MASS_CLEAR_LEAST = 20;

export function decideAbsence(facts: AbsenceFacts): AbsenceDecision {
  const { confirmation, verdict, acceptMassClear } = facts;
  const isEmpty = facts.records === 0 && facts.present > 0;
  if (isEmpty && !acceptMassClear) return 'empty_answer';
  if (facts.unreadable > 0) return 'nobody';
  const cleared = wouldBeCleared(facts);
  const isMass = cleared >= MASS_CLEAR_LEAST && cleared > facts.present * facts.maxClearedRatio;
  if (isMass && !acceptMassClear) return 'mass_clear';
  if (confirmation === 'asked') return 'gone';
  if (confirmation === 'later' || verdict === 'partial') return 'nobody';
  // The word of a person stands for the second walk, and for a control that an empty account does not offer.
  return isMass || isEmpty ? 'everybody' : 'absent_twice';
}

/** Whether a person has said that all of the missing may go, and of some no record has said whether they are gone. */
export function isUnfinished(facts: AbsenceFacts, decision: AbsenceDecision): boolean {
  if (!facts.acceptMassClear || facts.gone + facts.stillThere === facts.missing) return false;
  return decision === 'gone' || decision === 'nobody';
}

/**
 * After a complete walk the missing are taken for gone until their records say otherwise: those that wait for an answer
 * count, or a mass clear would pass in portions.
 */
function wouldBeCleared({ confirmation, verdict, missing, stillThere, gone }: AbsenceFacts): number {
  if (confirmation === 'later') return 0;
  return verdict === 'complete' ? missing - stillThere : gone;
}
