// Decides about the present users that a walk did not meet: what their own records mean, and who is cleared. Pure.
import { compareInstants, type UserRecord } from '../../cloudflare/endpoints/user-record.ts';
import type { Verdict } from '../walk/verdict.ts';

/**
 * level: the user still has a level. no_level, reset, not_found: no level now, or only one from before a reset.
 * unreadable: the record did not say.
 */
export type LookupOutcome = 'level' | 'no_level' | 'reset' | 'not_found' | 'unreadable';

export type LookupAnswer = { outcome: LookupOutcome; lastResetTime: string | null };

/**
 * What a user's own record means. `lastEvent` is the newest event that the summary served (RFC 3339). The newest event
 * known is that one, or a newer one in the record. A reset that is not older than the newest event known has removed
 * the level, even if the record still shows the old level.
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
 * How absence is confirmed in this run. asked: by the users' own records, and only by them. walks: the records cannot
 * be asked, so two complete walks in a row decide. later: the records could not be reached this time, and the next run
 * asks.
 */
export type Confirmation = 'asked' | 'walks' | 'later';

export type AbsenceFacts = {
  verdict: Verdict;
  /** Records of this walk without a readable user. They may belong to anybody who is missing. */
  unreadable: number;
  /** Users present before this publish. */
  present: number;
  /** Present users that the walk did not meet. */
  missing: number;
  /** Of the missing, those whose own record shows a level. */
  stillThere: number;
  /** Of the missing, those whose own record shows no level. */
  gone: number;
  /** Records in the answer, rejected ones included. */
  records: number;
  confirmation: Confirmation;
  acceptMassClear: boolean;
  maxClearedRatio: number;
};

export type AbsenceDecision =
  /** Keep all missing users, marked as absent. */
  | 'nobody'
  /** Clear those whose own record shows no level. */
  | 'gone'
  /** Clear those who were also absent from an earlier complete walk, and not met since. */
  | 'absent_twice'
  /** Clear them all, because a person has accepted it. */
  | 'everybody'
  /** Keep them all and fail the run: too many at once. */
  | 'mass_clear'
  /** Publish nothing. */
  | 'empty_answer';

/** Below this number, a large share means little: clearing three of four users is an ordinary clean-up. */
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
  // A person's consent replaces the second walk. It also replaces the control that an empty account cannot offer.
  return isMass || isEmpty ? 'everybody' : 'absent_twice';
}

/**
 * Whether a person has accepted that all missing users go, but for some of them no record has said whether they are
 * gone.
 */
export function isUnfinished(facts: AbsenceFacts, decision: AbsenceDecision): boolean {
  if (!facts.acceptMassClear || facts.gone + facts.stillThere === facts.missing) return false;
  return decision === 'gone' || decision === 'nobody';
}

/**
 * After a complete walk, the missing users count as gone until their records say otherwise. Users who wait for an
 * answer count as well: otherwise a mass clear could pass in small portions.
 */
function wouldBeCleared({ confirmation, verdict, missing, stillThere, gone }: AbsenceFacts): number {
  if (confirmation === 'later') return 0;
  return verdict === 'complete' ? missing - stillThere : gone;
}
