// Reads the account's present users from the database, once, while the first pages are fetched. The holder of the lease
// is the account's only writer, so this state stays true until the publish, which checks it.
import { isDeepStrictEqual } from 'node:util';
import { readAgain } from '../../db/read-again.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import type { Lease } from '../claim/lease.ts';
import { emptySums, total, type LevelSums } from './level-sums.ts';
import { readHeader, type Header } from './read-header.ts';
import { createRangeReader, type KeyRange, type RangeDeps, type RangeReader } from './read-range.ts';
import { brokenSums, stateMoved } from './state-errors.ts';
import type { UserTable } from './user-table.ts';

export type AccountState = Omit<Header, 'recorded'> & { present: number; sums: LevelSums };

/** `onRange` is called before each range, for the memory check and for tests. */
type StateDeps = RangeDeps & { onRange?: () => Promise<void> };

// Users per statement: about 0.35 MB, and the same again for their identities. Twice the number takes 5 MB more memory,
// and is not faster.
const ROWS = 5_000;
// With names of ten thousand characters, these rows take two megabytes. The first range shows how long names are.
const FIRST_ROWS = 50;
const MAX_BYTES = 1024 * 1024;
// With this many keys per present user, or more, it is faster to look up the present ones.
const SPARSE = 2;

/**
 * Fills `table`. A stopped worker holds no database snapshot and no lock, and a lost connection repeats one range.
 * Throws STATE_BROKEN (exit 1) if the users and the newest snapshot contradict each other, STATE_MOVED (exit 75) if
 * another session wrote during the read, CLOCK_BACKWARDS (exit 75), or signal.reason.
 */
export async function readState(
  deps: StateDeps,
  lease: Lease,
  observedAt: string,
  signal: AbortSignal,
): Promise<AccountState> {
  const { pool, table } = deps;
  const { recorded, ...header } = await readHeader(pool, lease, observedAt);
  const { lastUserKey, lastWriter } = header;
  const { users: present } = total(recorded);
  const sums = emptySums();
  // Read even if the snapshot counts no users: users who are present nevertheless must be noticed.
  if (lastUserKey > 0) {
    table.reserve(present);
    const isSparse = present > 0 && lastUserKey > present * SPARSE;
    const ranges = createRangeReader(deps, lease, { lastUserKey, isSparse });
    await readRanges(
      ranges,
      lastUserKey,
      async () => {
        signal.throwIfAborted();
        await deps.onRange?.();
      },
      ({ rows }) => addUp(table, rows, sums),
    );
    const now = await readHeader(pool, lease, observedAt);
    if (now.lastWriter !== lastWriter) throw stateMoved(lease, 'while its users were read');
  }
  if (!isDeepStrictEqual(sums, recorded)) throw brokenSums(lease, sums, recorded);
  return { ...header, present, sums };
}

/**
 * Reads all ranges, in the order of keys. The server works on the next range while the identities of this one arrive.
 */
async function readRanges(
  ranges: RangeReader,
  lastUserKey: number,
  beforeRange: () => Promise<void>,
  onRange: (range: KeyRange) => void,
): Promise<void> {
  let limit = FIRST_ROWS;
  const begin = (after: number) => {
    const wanted = limit;
    const users = readAgain(() => ranges.users(after, wanted));
    // Awaited one round later. Until then, its failure must not count as an unhandled rejection.
    users.catch(() => undefined);
    return users;
  };
  let next: Promise<KeyRange> | null = begin(0);
  while (next !== null) {
    await beforeRange();
    const range: KeyRange = await next;
    next = range.end < lastUserKey ? begin(range.end) : null;
    const identityBytes = await readAgain(() => ranges.identities(range));
    onRange(range);
    limit = nextLimit(limit, Math.max(range.bytes, identityBytes) / Math.max(1, range.rows.length));
  }
}

/** Names of ten thousand characters make rows a hundred times as long. */
function nextLimit(limit: number, bytesPerRow: number): number {
  return Math.max(FIRST_ROWS, Math.min(ROWS, limit * 10, Math.floor(MAX_BYTES / Math.max(1, bytesPerRow))));
}

function addUp(table: UserTable, rows: readonly number[], sums: LevelSums): void {
  for (const row of rows) {
    const level = RISK_LEVELS[table.level(row) - 1];
    if (level === undefined) continue;
    sums[level].users++;
    sums[level].events += table.eventCount(row);
  }
}
