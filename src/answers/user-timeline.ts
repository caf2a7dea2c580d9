// One user's history as events, oldest first, each with its sentence. Pure.
import type { IdentityVersion } from '../queries/users/identity-versions.ts';
import type { LastLookup } from '../queries/users/last-lookup.ts';
import type { LevelPeriod } from '../queries/levels/level-periods.ts';
import { IDENTITY_FIELDS, mapIdentity, NO_IDENTITY, type Identity } from '../user-risk.ts';
import { duration, plural } from '../words.ts';

/**
 * Why a user was cleared. `reset`, `no_level`, `not_found`: the user's own record said so. `own_record`: the record
 * confirmed the absence. Which of the three it said is no longer known, or this database role may not see it. `walks`:
 * the record was not asked for, or could not be.
 */
export type ClearedBecause = 'reset' | 'no_level' | 'not_found' | 'own_record' | 'walks';

export type TimelineEvent = Identity & {
  /** ISO 8601, like all times here. */
  changed_at: string;
  change: 'appeared' | 'raised' | 'lowered' | 'cleared' | 'returned' | 'renamed';
  /** Null: not present. */
  from_level: string | null;
  to_level: string | null;
  reason: ClearedBecause | null;
  absent_since: string | null;
  last_reset_time: string | null;
  complete_walks: number | null;
  partial_walks: number | null;
  /** For a user who returned: the time since the user was cleared. */
  away_seconds: number | null;
  is_baseline: boolean | null;
  snapshot_id: number | null;
  run_id: number | null;
  /** What a rename changed: "email", "name" or "email and name". Null if this database role may not see it. */
  renamed: string | null;
};

export type Rename = IdentityVersion & Pick<TimelineEvent, 'renamed'>;

export type TimelineFacts = {
  /** Newest first. */
  periods: readonly LevelPeriod[];
  renames: readonly Rename[];
  lookup: LastLookup | null;
  /** After this time, the user could no longer be looked up. */
  erasedAt?: string | null;
};

export function timeline({ periods, renames, lookup, erasedAt = null }: TimelineFacts): TimelineEvent[] {
  const events: TimelineEvent[] = [];
  for (const [index, period] of [...periods].reverse().entries()) {
    const before = periods[periods.length - index];
    events.push(opened(period, before));
    if (period.end_reason === 'reset' || period.end_reason === 'absent') {
      const ended = cleared(period, lookup);
      const isErased = erasedAt !== null && Date.parse(ended.changed_at) > Date.parse(erasedAt);
      events.push(isErased ? { ...ended, reason: 'walks' } : ended);
    }
  }
  for (const rename of renames) {
    events.push({
      ...NOTHING,
      changed_at: iso(rename.valid_from),
      change: 'renamed',
      renamed: rename.renamed,
      ...mapIdentity((field) => rename[field]),
    });
  }
  // The sort is stable: a new level comes before a new name of the same instant.
  return events.sort((a, b) => Date.parse(a.changed_at) - Date.parse(b.changed_at));
}

/** `versions`: all identities of a user, oldest first. */
export function renamesOf(versions: readonly IdentityVersion[]): Rename[] {
  return versions.slice(1).map((version, index) => {
    const before = versions[index];
    const fields = IDENTITY_FIELDS.filter((field) => version[field] !== before?.[field]);
    return { ...version, renamed: fields.join(' and ') || null };
  });
}

const NOTHING = {
  from_level: null,
  to_level: null,
  reason: null,
  absent_since: null,
  last_reset_time: null,
  complete_walks: null,
  partial_walks: null,
  away_seconds: null,
  is_baseline: null,
  snapshot_id: null,
  run_id: null,
  renamed: null,
  ...NO_IDENTITY,
} as const;

function opened(period: LevelPeriod, before: LevelPeriod | undefined): TimelineEvent {
  const left = period.change === 'returned' ? before?.valid_to : undefined;
  return {
    ...NOTHING,
    changed_at: iso(period.valid_from),
    change: period.change as TimelineEvent['change'],
    from_level: period.previous_level,
    to_level: period.max_risk_level,
    away_seconds: left == null ? null : (Date.parse(period.valid_from) - Date.parse(left)) / 1000,
    is_baseline: period.is_baseline,
    snapshot_id: period.from_snapshot_id,
    run_id: period.from_run_id,
  };
}

function cleared(period: LevelPeriod, lookup: LastLookup | null): TimelineEvent {
  return {
    ...NOTHING,
    changed_at: iso(period.valid_to ?? period.valid_from),
    change: 'cleared',
    from_level: period.max_risk_level,
    reason: becauseOf(period, lookup),
    absent_since: period.absent_since === null ? null : iso(period.absent_since),
    last_reset_time: period.last_reset_time === null ? null : iso(period.last_reset_time),
    complete_walks: period.complete_walks,
    partial_walks: period.partial_walks,
    snapshot_id: period.to_snapshot_id,
    run_id: period.to_run_id,
  };
}

function becauseOf(period: LevelPeriod, lookup: LastLookup | null): ClearedBecause {
  if (period.end_reason === 'reset') return 'reset';
  // Only the latest answer about a user is kept: it may belong to a later absence.
  const answer = lookup !== null && lookup.run_id === period.to_run_id ? lookup.outcome : null;
  if (answer === 'no_level' || answer === 'not_found') return answer;
  return period.lookup_state === 'working' ? 'own_record' : 'walks';
}

type Time = (at: string) => string;

/** Without email and name. `time` writes an instant. */
export function inWords(event: TimelineEvent, time: Time): string {
  const { from_level: from, to_level: to } = event;
  switch (event.change) {
    case 'appeared':
      return `appeared, ${to}${event.is_baseline === true ? ' (in the first load of the account)' : ''}`;
    case 'returned':
      return `returned, ${to}${event.away_seconds === null ? '' : `, after ${duration(event.away_seconds * 1000)}`}`;
    case 'raised':
    case 'lowered':
      return `${event.change} ${from} → ${to}`;
    case 'cleared':
      return `cleared, was ${from}: ${whyCleared(event, time)}${event.run_id === null ? '' : ` (run ${event.run_id})`}`;
    case 'renamed':
      return `renamed: ${event.renamed ?? IDENTITY_FIELDS.join(' or ')} changed`;
  }
}

export function whyCleared(event: TimelineEvent, time: Time): string {
  if (event.reason === 'reset') {
    return event.last_reset_time === null
      ? 'reset by an administrator, as their own record says'
      : `reset by an administrator at ${time(event.last_reset_time)}, as their own record says`;
  }
  // Absent since the snapshot that cleared the user: the line already begins with its time.
  const since =
    event.absent_since === null || event.absent_since === event.changed_at
      ? ''
      : `absent since ${time(event.absent_since)}, `;
  switch (event.reason) {
    case 'no_level':
      return `${since}their own record shows no level`;
    case 'not_found':
      return `${since}the API no longer has a record of them`;
    case 'own_record':
      return `${since}confirmed by their own record`;
    default:
      return `${since}not met by ${walksInWords(event.complete_walks ?? 0, event.partial_walks ?? 0)}`;
  }
}

/** "2 complete walks", "1 complete and 3 partial walks" */
export function walksInWords(complete: number, partial: number): string {
  if (partial === 0) return plural(complete, 'complete walk');
  if (complete === 0) return plural(partial, 'partial walk');
  return `${complete.toLocaleString('en-US')} complete and ${plural(partial, 'partial walk')}`;
}

export function iso(text: string): string {
  return new Date(text).toISOString();
}
