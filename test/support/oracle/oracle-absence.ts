// The oracle's reading of absent users' own records, and of which users may be cleared because of them. Written from
// docs/design alone.

export type SeenLookup = {
  userId: string;
  said:
    | { riskLevel: string | null; lastResetTime: string | null; newestEvent: string | null }
    | 'unknown'
    | 'refused'
    | 'garbled'
    | 'unanswered';
};

export type Gone = { reason: 'reset' | 'absent'; resetAt: bigint | null };
export type Confirmation =
  /** answered: users who were asked, and whose record counts, whatever it said. */
  | { kind: 'asked'; stillThere: Set<string>; gone: Map<string, Gone>; answered: Set<string> }
  | { kind: 'walks' }
  | { kind: 'later' };

export type AbsentRun = {
  confirm: 'lookup' | 'walks';
  lookups: readonly SeenLookup[];
  missing: readonly string[];
  met: ReadonlySet<string>;
  unreadable: number;
  /** Microseconds since 1970 of the newest event that the summary served. */
  lastEventOf(userId: string): bigint;
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
    // Records can be asked but show no level, or they are refused, or they are not records: walks decide. Only after no
    // answer may one come later.
    const isOutage = run.lookups.some((lookup) => lookup.said === 'unanswered');
    return { kind: isOutage ? 'later' : 'walks' };
  }
  const lastProof = run.lookups.findLastIndex(isProof);
  for (const [index, lookup] of run.lookups.entries()) {
    const { userId, said } = lookup;
    if (isMet(lookup)) continue;
    if (index < firstProof) throw new Error('a missing user was asked before the control');
    const isSilent = typeof said === 'string' && said !== 'unknown';
    const shows = isLevel(lookup, run);
    // Between two proofs that lookups work, one silent record says something only about itself, and a record without a
    // level counts.
    if (!shows && index > lastProof) continue;
    asked.answered.add(userId);
    if (shows) asked.stillThere.add(userId);
    else if (!isSilent) {
      const resetAt = resetOf(lookup, run);
      asked.gone.set(userId, { reason: resetAt === null ? 'absent' : 'reset', resetAt });
    }
  }
  return asked.answered.size === 0 ? { kind: 'later' } : asked;
}

function isLevel(lookup: SeenLookup, run: AbsentRun): boolean {
  return typeof lookup.said !== 'string' && lookup.said.riskLevel !== null && resetOf(lookup, run) === null;
}

/** Microseconds of a reset that is not older than any known event. */
function resetOf({ userId, said }: SeenLookup, run: AbsentRun): bigint | null {
  if (typeof said === 'string' || said.lastResetTime === null) return null;
  const reset = nanosOf(said.lastResetTime);
  const events = [
    run.lastEventOf(userId) * 1000n,
    ...(said.newestEvent === null ? [] : [nanosOf(said.newestEvent)]),
  ];
  return events.every((event) => event <= reset) ? reset / 1000n : null;
}

/** Nanoseconds since 1970, from RFC 3339 with up to nine digits. */
function nanosOf(text: string): bigint {
  const match = /^(.{19})(?:\.(\d{1,9}))?(.*)$/.exec(text);
  if (match === null) throw new Error('the oracle cannot read an instant');
  const seconds = BigInt(Date.parse(`${match[1]}${match[3]}`.toUpperCase())) / 1000n;
  return seconds * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
