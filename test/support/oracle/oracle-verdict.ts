// The oracle's reading of what was served: which users were met, and whether the walk can be trusted. Written from the
// pages in docs/ alone.
import type { RiskLevel } from '../../../src/user-risk.ts';

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
  /** userId null: the record has no readable user. */
  | { kind: 'rejected'; userId: string | null };
export type GoodRecord = Extract<ServedRecord, { kind: 'good' }>;

export type ServedPage = { reading: number; page: number; total: number | null; records: ServedRecord[] };

export type Served = {
  /** Includes rejected records. */
  records: number;
  tooManyRejected: boolean;
  /** The total on the page read last. */
  stated: number | null;
  complete: boolean;
  /** Records without a readable user. */
  unreadable: number;
  /** The record of each user that was read last. */
  lastRead: Map<string, GoodRecord>;
  /** Includes the users of rejected records. */
  met: Set<string>;
};

export function judgeServed(pages: readonly ServedPage[]): Served {
  const lastRead = new Map<string, GoodRecord>();
  const met = new Set<string>();
  let records = 0;
  let unreadable = 0;
  const readings = new Map<number, ServedRecord[]>();
  for (const { reading, records: served } of pages) {
    readings.set(reading, [...(readings.get(reading) ?? []), ...served]);
    for (const record of served) {
      records++;
      if (record.userId === null) unreadable++;
      else met.add(record.userId);
      if (record.kind === 'good') lastRead.set(record.userId, record);
    }
  }
  return {
    records,
    tooManyRejected: [...readings.values()].some(isMostlyRejected),
    stated: pages.at(-1)?.total ?? null,
    complete: unreadable === 0 && nothingMoved(pages),
    unreadable,
    lastRead,
    met,
  };
}

/** Many and above 5 %; or at least as many rejected as accepted, counted as records or as users. */
function isMostlyRejected(records: readonly ServedRecord[]): boolean {
  const bad = records.filter(({ kind }) => kind === 'rejected');
  if (bad.length === 0) return false;
  const good = records.length - bad.length;
  const users = new Set(records.filter(({ kind }) => kind === 'good').map(({ userId }) => userId));
  const nameless = bad.filter(({ userId }) => userId === null).length;
  const refused = new Set(bad.map(({ userId }) => userId).filter((id) => id !== null && !users.has(id)));
  const isMany = bad.length >= 20 && bad.length / records.length > 0.05;
  return isMany || bad.length >= good || refused.size + nameless >= users.size;
}

const PAGE_LIMITS = [10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000];

/** One reading in which nothing moved; or several that agree, and met as many users as the last one stated. */
function nothingMoved(pages: readonly ServedPage[]): boolean {
  const last = pages.at(-1)?.reading ?? 0;
  const users = (wanted: (reading: number) => boolean) =>
    pages.filter((page) => wanted(page.reading)).flatMap((page) => page.records.map((r) => r.userId));
  const thisTime = users((reading) => reading === last);
  const distinct = new Set(thisTime);
  const ofLast = pages.filter((page) => page.reading === last);
  // A reading that met few of the users proves nothing.
  if (2 * distinct.size < new Set(users(() => true)).size) return false;
  const totals = [...new Set(ofLast.map((page) => page.total))];
  if (distinct.size === thisTime.length && totals.length <= 1) {
    const [total = null] = totals;
    const answers = ofLast.filter((page) => page.records.length > 0);
    // A page with as many records as a known page limit may have been cut off.
    const isWhole =
      new Set(answers.map((page) => page.page)).size <= 1 &&
      answers.every((page) => !PAGE_LIMITS.includes(page.records.length));
    if (total === null ? isWhole : distinct.size === total) return true;
  }
  if (last < 2) return false;
  const earlier = new Set(users((reading) => reading < last));
  const onlyThis = [...distinct].filter((userId) => !earlier.has(userId)).length;
  const both = distinct.size - onlyThis;
  // Chapman's estimate of all users, minus the users who were met.
  const there = ((earlier.size + 1) * (distinct.size + 1)) / (both + 1) - 1;
  const everybody = earlier.size + onlyThis;
  return there - everybody < 0.05 && everybody >= (ofLast[0]?.total ?? 0);
}
