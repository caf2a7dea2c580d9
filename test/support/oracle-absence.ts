// The oracle's reading of what absent users' own records said, and of who may be cleared on it. From docs/design alone.

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
  | { kind: 'asked'; stillThere: Set<string>; gone: Map<string, Gone> }
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
  const nobody = { kind: 'asked' as const, stillThere: new Set<string>(), gone: new Map<string, Gone>() };
  if (run.missing.length === 0) return nobody;
  if (run.confirm === 'walks') return { kind: 'walks' };
  if (run.unreadable > 0) return { kind: 'later' };
  const isControl = ({ userId }: SeenLookup) => run.met.has(userId);
  const firstAsked = run.lookups.findIndex((lookup) => !isControl(lookup));
  const split = firstAsked < 0 ? run.lookups.length : firstAsked;
  const before = run.lookups.slice(0, split);
  if (!before.some((lookup) => isLevel(lookup, run))) {
    const unwell = before.at(-1)?.said === 'unanswered';
    return { kind: unwell ? 'later' : 'walks' };
  }
  const asked = run.lookups.slice(split);
  const { stillThere, gone } = nobody;
  for (const lookup of asked.filter((one) => !isControl(one))) {
    if (typeof lookup.said === 'string' && lookup.said !== 'unknown') continue;
    const reset = resetOf(lookup, run);
    if (reset !== null) gone.set(lookup.userId, { reason: 'reset', resetAt: reset });
    else if (lookup.said === 'unknown' || lookup.said.riskLevel === null)
      gone.set(lookup.userId, { reason: 'absent', resetAt: null });
    else stillThere.add(lookup.userId);
  }
  if (gone.size > 0 && !asked.some((lookup) => isControl(lookup) && isLevel(lookup, run)))
    return { kind: 'later' };
  return nobody;
}

function isLevel(lookup: SeenLookup, run: AbsentRun): boolean {
  return typeof lookup.said !== 'string' && lookup.said.riskLevel !== null && resetOf(lookup, run) === null;
}

/** Microseconds of a reset that is not older than any event known. */
function resetOf({ userId, said }: SeenLookup, run: AbsentRun): bigint | null {
  if (typeof said === 'string' || said.lastResetTime === null) return null;
  const reset = nanosOf(said.lastResetTime);
  const events = [
    run.lastEventOf(userId) * 1000n,
    ...(said.newestEvent === null ? [] : [nanosOf(said.newestEvent)]),
  ];
  return events.every((event) => event <= reset) ? reset / 1000n : null;
}

/** Since 1970; RFC 3339 with up to nine digits. */
function nanosOf(text: string): bigint {
  const match = /^(.{19})(?:\.(\d{1,9}))?(.*)$/.exec(text);
  if (match === null) throw new Error('the oracle cannot read an instant');
  const seconds = BigInt(Date.parse(`${match[1]}${match[3]}`.toUpperCase())) / 1000n;
  return seconds * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
