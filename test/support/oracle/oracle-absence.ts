// The oracle's reading of absent users' own records, and of which users may be cleared because of them. Written from
// the pages in docs/ alone.

export type SeenRecord = {
  riskLevel: string | null;
  lastResetTime: string | null;
  newestEvent: string | null;
  hasUnreadableEvents: boolean;
  email: string | null;
  name: string | null;
};
export type SeenLookup = {
  userId: string;
  said: SeenRecord | 'unknown' | 'refused' | 'garbled' | 'unanswered';
};

export type Gone = { reason: 'reset' | 'absent'; resetAt: bigint | null };
export type Confirmation =
  /** answered: users who were asked and have a record that counts, whatever the record said. */
  | { kind: 'asked'; stillThere: Set<string>; gone: Map<string, Gone>; answered: Set<string> }
  | { kind: 'walks' }
  | { kind: 'later' };

export type AbsentRun = {
  confirm: 'lookup' | 'walks';
  lookups: readonly SeenLookup[];
  missing: readonly string[];
  met: ReadonlySet<string>;
  unreadable: number;
  /** `lastEvent`: microseconds since 1970 of the newest event that the summary served. */
  heldOf(userId: string): { lastEvent: bigint; email: string | null; name: string | null };
  /** Microseconds since 1970. */
  now: bigint;
  /** Whether a record that shows no level, and no reset, counts for this user. */
  hasSecondWitness(userId: string): boolean;
};

export function confirmationOf(run: AbsentRun): Confirmation {
  const asked = {
    kind: 'asked' as const,
    stillThere: new Set<string>(),
    gone: new Map<string, Gone>(),
    answered: new Set<string>(),
  };
  if (run.missing.length === 0) return asked;
  if (run.confirm === 'walks') return { kind: 'walks' };
  if (run.unreadable > 0) return { kind: 'later' };
  const isMet = ({ userId }: SeenLookup) => run.met.has(userId);
  const isProof = (lookup: SeenLookup) => isMet(lookup) && isLevel(lookup, run);
  const firstProof = run.lookups.findIndex(isProof);
  if (firstProof < 0) {
    // Records can be asked but show no level, or they are refused, or they are not records: walks decide. Only a
    // missing answer may still arrive later.
    const isOutage = run.lookups.some((lookup) => lookup.said === 'unanswered');
    return { kind: isOutage ? 'later' : 'walks' };
  }
  const lastProof = run.lookups.findLastIndex(isProof);
  for (const [index, lookup] of run.lookups.entries()) {
    const { userId } = lookup;
    if (isMet(lookup)) continue;
    if (index < firstProof) throw new Error('a missing user was asked before the control');
    const meaning = meaningOf(lookup, run);
    // Between two proofs that lookups work, one silent record says something only about itself, and a record without a
    // level counts.
    if (meaning !== 'there' && index > lastProof) continue;
    asked.answered.add(userId);
    if (meaning === 'there') asked.stillThere.add(userId);
    else if (meaning === 'gone' || (meaning === 'level lacks' && run.hasSecondWitness(userId)))
      asked.gone.set(userId, { reason: 'absent', resetAt: null });
    else if (typeof meaning === 'bigint')
      asked.gone.set(userId, { reason: 'reset', resetAt: meaning / 1000n });
  }
  return asked.answered.size === 0 ? { kind: 'later' } : asked;
}

type Meaning = 'there' | 'gone' | 'level lacks' | 'nothing certain' | bigint;

/** A bigint: when the user was reset, in nanoseconds. */
function meaningOf({ userId, said }: SeenLookup, run: AbsentRun): Meaning {
  if (said === 'unknown') return 'gone';
  if (typeof said === 'string') return 'nothing certain';
  const held = run.heldOf(userId);
  const agree = [
    [held.email, said.email],
    [held.name, said.name],
  ].map(([ours, theirs]) => (ours ? (ours === theirs ? 'same' : 'other') : theirs ? 'new' : 'neither'));
  if (!agree.includes('same') && !agree.every((one) => one === 'neither')) {
    const namesNobody = !said.email && !said.name;
    return namesNobody && said.riskLevel !== null ? 'there' : 'nothing certain';
  }
  const ours = held.lastEvent * 1000n;
  const theirs = said.newestEvent === null ? null : roundedToMicros(nanosOf(said.newestEvent));
  const known = theirs === null || theirs < ours ? ours : theirs;
  const reset = said.lastResetTime === null ? null : nanosOf(said.lastResetTime);
  const rounded = reset === null ? null : roundedToMicros(reset);
  const isToCome = rounded !== null && rounded > run.now * 1000n;
  const explains = rounded !== null && !isToCome && rounded > known && !said.hasUnreadableEvents;
  if (said.riskLevel !== null) return explains && theirs !== null ? reset! : 'there';
  if (explains) return reset!;
  const isOdd = isToCome || said.hasUnreadableEvents || (theirs !== null && theirs >= ours);
  return isOdd ? 'nothing certain' : 'level lacks';
}

const isLevel = (lookup: SeenLookup, run: AbsentRun) => meaningOf(lookup, run) === 'there';

/** As Postgres stores instants; the tests never serve half a microsecond. */
function roundedToMicros(nanos: bigint): bigint {
  const rest = ((nanos % 1000n) + 1000n) % 1000n;
  return nanos - rest + (rest > 500n ? 1000n : 0n);
}

/** Nanoseconds since 1970, from RFC 3339 with up to nine digits. */
function nanosOf(text: string): bigint {
  const match = /^(.{19})(?:\.(\d{1,9}))?(.*)$/.exec(text);
  if (match === null) throw new Error('the oracle cannot read an instant');
  const seconds = BigInt(Date.parse(`${match[1]}${match[3]}`.toUpperCase())) / 1000n;
  return seconds * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
