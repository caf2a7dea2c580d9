// Checks whether the history of one account contradicts itself. Names only the keys of users.
import { countersBehind, COUNTERS_MEND } from '../../db/feed-clock.ts';
import type { Pool } from '../../db/pool.ts';
import { EXIT } from '../../errors.ts';
import { historyHealth, type Defect, type HistoryHealth } from '../../queries/health/history-health.ts';
import { mayRead } from '../../queries/health/may-read.ts';
import { wholeSince, type WholeSince } from '../../queries/accounts/whole-since.ts';
import { recount, type Recount } from '../../queries/health/recount.ts';
import { checkInDatabase } from './database.ts';
import { failed, failedAs, ok, skipped, type Line } from './lines.ts';
import { PRUNABLE, type Retention } from '../../retention.ts';
import { duration, plural } from '../../words.ts';

const REPORT =
  'This must never happen: keep a dump of this database (pg_dump) and report it; an earlier backup is intact';

export function checkHistory(pool: Pool, accountKey: number): Promise<Line> {
  return checkInDatabase(pool, 'history', 'risk.users, user_levels and user_identities', async (tx) => {
    // A reader may not see the counters.
    const { leases: isWorker } = await mayRead(pool);
    const behind = isWorker ? await countersBehind(tx, accountKey) : [];
    if (behind.length === 0) return judgeHistory(await historyHealth(tx, accountKey));
    const found = `copied here without its counters. These are behind: ${behind.join(', ')}`;
    return failedAs('history', 'HISTORY_COPIED', found, COUNTERS_MEND);
  });
}

export function judgeHistory(health: HistoryHealth): Line {
  const found = (
    [
      [health.overlappingLevels, 'overlapping level periods'],
      [health.overlappingIdentities, 'overlapping identities'],
      [health.contradictedLevels, 'a level period that contradicts the current state'],
      [health.contradictedIdentities, 'an identity that contradicts the current state'],
    ] as [Defect, string][]
  )
    .filter(([{ count }]) => count > 0)
    .map(([defect, what]) => `${plural(defect.count, 'user')} with ${what} (${keysOf(defect)})`);
  if (found.length === 0) return ok('history', 'no overlaps, and open periods match the state');
  return failed('history', EXIT.failed, found.join('; '), REPORT);
}

function keysOf({ count, keys }: Defect): string {
  return `user_key ${keys.join(', ')}${count > keys.length ? ', …' : ''}`;
}

export function checkCounts(pool: Pool, accountKey: number): Promise<Line> {
  return checkInDatabase(pool, 'counts', 'risk.snapshots, snapshot_levels and users', async (tx) =>
    judgeCounts(await recount(tx, accountKey)),
  );
}

export function judgeCounts(rows: readonly Recount[]): Line {
  const [first] = rows;
  if (first === undefined) return skipped('counts', 'no snapshot yet');
  const wrong = rows.flatMap((row) => {
    const what = row.level ?? 'all levels';
    const users = `${what}: ${plural(row.recordedUsers, 'user')} recorded, ${row.countedUsers} counted`;
    const events = `${what}: ${plural(row.recordedEvents, 'event')} recorded, ${row.countedEvents} counted`;
    return [
      row.recordedUsers === row.countedUsers ? '' : users,
      row.recordedEvents === row.countedEvents ? '' : events,
    ].filter(Boolean);
  });
  const snapshot = `snapshot ${first.snapshotId}`;
  if (wrong.length === 0) return ok('counts', `the counts of ${snapshot} match a recount`);
  return failed('counts', EXIT.failed, `${snapshot}: ${wrong.join('; ')}`, REPORT);
}

/** Says what is kept, and since when. Never a fault. */
export function checkRetention(pool: Pool, accountKey: number, retention: Retention): Promise<Line> {
  return checkInDatabase(pool, 'retention', 'risk.retention', async (tx) =>
    judgeRetention(await wholeSince(tx, accountKey), retention),
  );
}

export function judgeRetention(whole: readonly WholeSince[], retention: Retention): Line {
  const kept = PRUNABLE.flatMap((part) => {
    const keepMs = retention[part];
    return keepMs === null ? [] : [`${part} for ${duration(keepMs)}`];
  });
  const since = whole.map(({ part, since: at }) => `${part} since ${at.toISOString()}`);
  const told = kept.length === 0 ? 'everything is kept' : `kept are ${kept.join(', ')}`;
  return ok('retention', since.length === 0 ? told : `${told}; whole are ${since.join(', ')}`);
}
