// The oracle's reading of what was served: who was met, and whether the walk can be trusted. From docs/design alone.
import type { RiskLevel } from '../../src/user-risk.ts';

export type ServedRecord =
  | {
      kind: 'good';
      userId: string;
      email: string | null;
      name: string | null;
      level: RiskLevel;
      eventCount: number;
      /** Microseconds since 1970. */
      lastEvent: bigint;
    }
  /** userId null: it does not say of whom it speaks. */
  | { kind: 'rejected'; userId: string | null };
export type GoodRecord = Extract<ServedRecord, { kind: 'good' }>;

export type ServedPage = { reading: number; page: number; total: number | null; records: ServedRecord[] };

export type Served = {
  /** Rejected ones included. */
  records: number;
  tooManyRejected: boolean;
  complete: boolean;
  /** Of several records of a user the one read last. */
  lastRead: Map<string, GoodRecord>;
  /** Users of rejected records included. */
  met: Set<string>;
};

export function judgeServed(pages: readonly ServedPage[]): Served {
  const lastRead = new Map<string, GoodRecord>();
  const met = new Set<string>();
  let records = 0;
  let rejected = 0;
  let unreadable = 0;
  for (const record of pages.flatMap((page) => page.records)) {
    records++;
    if (record.kind === 'rejected') rejected++;
    if (record.userId === null) unreadable++;
    else met.add(record.userId);
    if (record.kind === 'good') lastRead.set(record.userId, record);
  }
  return {
    records,
    tooManyRejected: rejected >= 20 && rejected / records > 0.05,
    complete: unreadable === 0 && nothingMoved(pages),
    lastRead,
    met,
  };
}

/** One reading: no duplicate, one total, which is the number of users met. Without totals: two readings that agree. */
function nothingMoved(pages: readonly ServedPage[]): boolean {
  const last = pages.at(-1)?.reading ?? 0;
  const users = (wanted: (reading: number) => boolean) =>
    pages.filter((page) => wanted(page.reading)).flatMap((page) => page.records.map((r) => r.userId));
  const thisTime = users((reading) => reading === last);
  const distinct = new Set(thisTime);
  if (distinct.size !== thisTime.length) return false;
  const totals = new Set(pages.map((page) => page.total));
  if (totals.size > 1) return false;
  const [total] = totals;
  if (total !== null) return distinct.size === total;
  const answers = new Set(pages.filter((page) => page.records.length > 0).map((page) => page.page));
  if (answers.size <= 1) return true;
  if (last < 2) return false;
  const earlier = new Set(users((reading) => reading < last));
  const onlyEarlier = [...earlier].filter((userId) => !distinct.has(userId)).length;
  const onlyThis = [...distinct].filter((userId) => !earlier.has(userId)).length;
  const both = distinct.size - onlyThis;
  // Chapman: how many there are, less those that were met.
  const there = ((earlier.size + 1) * (distinct.size + 1)) / (both + 1) - 1;
  return there - (earlier.size + onlyThis) < 0.05 && onlyEarlier + both === earlier.size;
}
