// What every view of risk_bi must return, computed from the list of published states: no SQL, and no code shared with
// the views.
import type { Calendar } from './calendar.ts';
import { type Past, type Row, LEVELS, place, str, levelsOf, ofAll } from './past.ts';
import { bucketViews } from './buckets.ts';
import { periodViews } from './periods.ts';
import { activityOf, coverageOf } from './coverage.ts';

/** Views without days or hours are the same in every calendar. */
function plainViews(pasts: readonly Past[]): Record<string, Row[]> {
  const all = (rowsOf: (past: Past) => Row[]) => ofAll(pasts, rowsOf);
  return {
    accounts: all(({ label, addedAt, retiredAt, feedId }) => [
      {
        label,
        added_at: str(addedAt),
        retired_at: str(retiredAt),
        is_retired: retiredAt !== null,
        feed_id: feedId,
      },
    ]),
    risk_levels: LEVELS.map((level, index) => ({
      level,
      rank: index + 1,
      label: `${level[0]!.toUpperCase()}${level.slice(1)}`,
    })),
    users: all(({ oracle, retiredAt }) =>
      [...oracle.users].map(([userId, u]) => ({
        user_id: userId,
        max_risk_level: u.level,
        event_count: u.eventCount,
        last_event: str(u.lastEvent),
        level_since: str(u.levelSince),
        first_seen_at: str(u.firstSeenAt),
        absent_since: str(u.absentSince),
        cleared_at: str(u.clearedAt),
        erased_at: null,
        is_present: u.level !== null,
        is_account_retired: retiredAt !== null,
        level_rank: place(u.level),
      })),
    ),
    user_identities: all(({ oracle }) =>
      oracle.identities.map((row) => ({
        user_id: row.userId,
        valid_from: str(row.from),
        valid_to: str(row.to),
        email: row.email,
        name: row.name,
        is_current: row.to === null,
      })),
    ),
    user_activity: all(({ oracle, retiredAt }) =>
      oracle.activity.map((row) => ({
        user_id: row.userId,
        observed_at: str(row.at),
        event_count: row.eventCount,
        last_event: str(row.lastEvent),
        snapshot_id: str(row.snapshotId),
        is_account_retired: retiredAt !== null,
      })),
    ),
    risk_level_by_snapshot: all(({ oracle }) =>
      oracle.snapshots.flatMap((s) =>
        levelsOf(s).map((level) => ({
          snapshot_id: str(s.snapshotId),
          observed_at: str(s.at),
          verdict: s.verdict,
          is_baseline: s.isBaseline,
          ...level,
        })),
      ),
    ),
  };
}

/** `now` is the database's now. `isAsked`: which hours of `risk_level_hourly` are wanted. */
export function expectedViews(
  pasts: readonly Past[],
  calendar: Calendar,
  now: bigint,
  isAsked: (hour: bigint) => boolean = () => true,
): Record<string, Row[]> {
  return {
    ...plainViews(pasts),
    ...bucketViews(pasts, calendar, now, isAsked),
    ...periodViews(pasts, calendar),
    activity_daily: ofAll(pasts, (past) => activityOf(past, calendar, now)),
    sync_coverage: ofAll(pasts, (past) => coverageOf(past, calendar, now)),
  };
}
