// Decides about the present users that a walk did not meet: what their own records mean, and who is cleared. Pure.
import type { UserRecord } from '../../cloudflare/endpoints/user-record.ts';
import type { Erasure } from '../../db/erased/read-erased.ts';
import { readInstant, type PostgresInstant } from '../../db/postgres-instant.ts';
import type { EmailAndName } from '../../pii-policy.ts';
import type { Verdict } from '../walk/verdict.ts';

/**
 * The outcome of a lookup. `level`: the record shows a level. `reset`, `not_found`: the user has no level. `no_level`:
 * the record shows no level, and no reset that would prove it. `unreadable`: the record cannot be read, contradicts
 * itself, or names another person. A record without a level and without a reset is also unreadable if nothing says
 * which person it belongs to.
 */
export type LookupOutcome = 'level' | 'no_level' | 'reset' | 'not_found' | 'unreadable';

export type LookupAnswer = { outcome: LookupOutcome; lastResetTime: string | null };

/**
 * `isUnknown`: the held identity cannot be compared with the served one, because it is a hash of another key, or not
 * kept.
 */
export type HeldIdentity = EmailAndName & { isUnknown?: boolean };

/** What we hold of the user who is looked up. `lastEvent`: the newest event that the summary served (RFC 3339). */
export type HeldUser = HeldIdentity & { lastEvent: string };

/**
 * What a user's own record means; docs/reliability.md has the rule as a table. Only a reset proves that a level is
 * gone. The reset must be in the past, and newer than every known event: ours and those of the record. If a record
 * shows a level beside such a reset, the level is an old one only if an event shows where it came from. We compare
 * instants as Postgres rounds them, because ours was rounded. `now` is in ms since 1970.
 */
export function readOutcome(record: UserRecord | null, held: HeldUser, now: number): LookupAnswer {
  if (record === null) return { outcome: 'not_found', lastResetTime: null };
  const { riskLevel, lastResetTime, newestEvent, hasUnreadableEvents } = record;
  const isUnknown = held.isUnknown === true;
  if (!isUnknown && !isTheirs(record, held)) {
    // A record without names clears nobody. A level in it still shows that the user is present.
    const isLevel = riskLevel !== null && !record.email && !record.name;
    return { outcome: isLevel ? 'level' : 'unreadable', lastResetTime: null };
  }
  const ours = instantOf(held.lastEvent);
  const newest = newestEvent === null ? null : instantOf(newestEvent);
  const reset = lastResetTime === null ? null : instantOf(lastResetTime);
  const isFuture = reset !== null && isLater(reset, instantOf(new Date(now).toISOString()));
  const isProof =
    reset !== null &&
    !isFuture &&
    !hasUnreadableEvents &&
    isLater(reset, ours) &&
    (newest === null || isLater(reset, newest));
  if (isProof && (riskLevel === null || newest !== null)) return { outcome: 'reset', lastResetTime };
  if (riskLevel !== null) return { outcome: 'level', lastResetTime: null };
  const contradicts = isFuture || hasUnreadableEvents || (newest !== null && !isLater(ours, newest));
  return { outcome: contradicts || isUnknown ? 'unreadable' : 'no_level', lastResetTime: null };
}

/** The email or the name equals the one we hold. If we hold neither, the record must have neither. */
function isTheirs(record: EmailAndName, held: EmailAndName): boolean {
  const [email, name] = [held.email || null, held.name || null];
  if (email === null && name === null) return !record.email && !record.name;
  return (email !== null && record.email === email) || (name !== null && record.name === name);
}

function instantOf(text: string): PostgresInstant {
  const instant = { seconds: 0, micros: 0 };
  readInstant(text, instant);
  return instant;
}

function isLater(a: PostgresInstant, b: PostgresInstant): boolean {
  return a.seconds === b.seconds ? a.micros > b.micros : a.seconds > b.seconds;
}

/**
 * Whether the answer clears the user. A missing level without a reset may be a record that the API could not fill. So
 * it clears the user only with a second witness: two complete walks without the user, or a person who accepts the
 * clearing.
 */
export function provesGone(
  { outcome }: LookupAnswer,
  run: { verdict: Verdict; absentTwice: boolean; acceptMassClear: boolean },
): boolean {
  if (outcome !== 'no_level') return outcome === 'reset' || outcome === 'not_found';
  return run.verdict === 'complete' && (run.absentTwice || run.acceptMassClear);
}

/**
 * The same for the user of an erased person: we cannot look up that record. A forgotten person needs the same second
 * witness as a record without a level. A user who was erased once is never met again under this id.
 */
export function isErasedGone(
  erasure: Erasure,
  run: { verdict: Verdict; absentTwice: boolean; acceptMassClear: boolean },
): boolean {
  return erasure === 'gone' || (run.verdict === 'complete' && (run.absentTwice || run.acceptMassClear));
}

/**
 * How absence is confirmed in this run. Asked: only the users' own records decide. Walks: the records cannot be asked,
 * so two complete walks in a row decide. Later: the records could not be reached this time, and the next run asks.
 */
export type Confirmation = 'asked' | 'walks' | 'later';

export type AbsenceFacts = {
  verdict: Verdict;
  /** Records of this walk without a readable user. Each may belong to any of the missing users. */
  unreadable: number;
  /** Users present before this publish. */
  present: number;
  /** Present users that the walk did not meet. */
  missing: number;
  /** Missing users with an own record that shows a level. */
  stillThere: number;
  /** Missing users with an own record that proves that they have no level. */
  gone: number;
  /** Records in the answer, rejected ones included. */
  records: number;
  /** The number of users that the server states. */
  total: number | null;
  /** Whether the account has no snapshot yet. */
  isFirst: boolean;
  confirmation: Confirmation;
  acceptMassClear: boolean;
  maxClearedRatio: number;
};

export type AbsenceDecision =
  /** Keep all missing users, marked as absent. */
  | 'nobody'
  /** Clear the users with an own record that proves that they have no level. */
  | 'gone'
  /** Clear those who were also absent from an earlier complete walk, and not met since. */
  | 'absent_twice'
  /** Clear all missing users, because a person has accepted it. */
  | 'everybody'
  /** Keep all missing users and fail the run: too many are missing at once. */
  | 'mass_clear'
  /** Publish nothing. */
  | 'empty_answer';

/** Below this number, a large share means little: clearing three of four users is an ordinary clean-up. */
const MASS_CLEAR_LEAST = 20;

export function decideAbsence(facts: AbsenceFacts): AbsenceDecision {
  const { confirmation, verdict, acceptMassClear } = facts;
  const isEmpty = facts.records === 0 && isDoubtfullyEmpty(facts);
  if (isEmpty && !acceptMassClear) return 'empty_answer';
  if (facts.unreadable > 0) return 'nobody';
  const cleared = wouldBeCleared(facts);
  const isMass = cleared >= MASS_CLEAR_LEAST && cleared > facts.present * facts.maxClearedRatio;
  if (isMass && !acceptMassClear) return 'mass_clear';
  if (confirmation === 'asked') return 'gone';
  if (confirmation === 'later' || verdict === 'partial') return 'nobody';
  // A person's consent replaces the second walk. It also replaces the control: an empty account has no user to serve as
  // one.
  return isMass || isEmpty ? 'everybody' : 'absent_twice';
}

/**
 * We believe an answer without users if the account had no users before. In the first walk, only a stated total of 0
 * makes it believable.
 */
function isDoubtfullyEmpty({ present, total, isFirst }: AbsenceFacts): boolean {
  return present > 0 || (total === null ? isFirst : total > 0);
}

/** Whether a person has accepted that all missing users are gone, although for some of them no record has said so. */
export function isUnfinished(facts: AbsenceFacts, decision: AbsenceDecision): boolean {
  if (!facts.acceptMassClear || facts.gone + facts.stillThere === facts.missing) return false;
  return decision === 'gone' || decision === 'nobody';
}

/**
 * After a complete walk, the missing users count as gone until their records say otherwise. Users who still wait for an
 * answer also count: otherwise a mass clear could pass in small portions.
 */
function wouldBeCleared({ confirmation, verdict, missing, stillThere, gone }: AbsenceFacts): number {
  if (confirmation === 'later') return 0;
  return verdict === 'complete' ? missing - stillThere : gone;
}
