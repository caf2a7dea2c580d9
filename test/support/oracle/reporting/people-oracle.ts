// What the pages of people must show of published states: plain loops over the past, no SQL, and no code of the program.
import { createCalendar } from './calendar.ts';
import { meant } from './overview-oracle.ts';
import { expectedViews } from './reporting-oracle.ts';
import type { Past, Row } from './past.ts';

export type Asked = { from: bigint; to: bigint };
export type Views = Record<string, Row[]>;

/** Only the views without days: the pages of people read no others, and days take most of the time. */
export function viewsOf(pasts: readonly Past[], chosen: Past | null): Views {
  const calendar = { ...createCalendar('UTC'), days: () => [] };
  return expectedViews(meant(pasts, chosen), calendar, BigInt(Date.now()) * 1000n, () => false);
}

const text = (value: unknown) => String(value ?? '');
const instant = (value: unknown) => BigInt(text(value));

/** Newest first; then the greater account, then the greater user. */
export function expectedChanges(views: Views, { from, to }: Asked): Row[] {
  return views['level_changes']!.filter(
    (row) => instant(row['changed_at']) >= from && instant(row['changed_at']) < to,
  ).toSorted((a, b) => compare(b, a, ['changed_at', 'account_id', 'user_id']));
}

/** Changes by "from to". */
export function expectedMatrix(changes: readonly Row[]): Record<string, number> {
  const cells: Record<string, number> = {};
  for (const row of changes) {
    const cell = `${text(row['from_level'] ?? 'none')} ${text(row['to_level'] ?? 'none')}`;
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  return cells;
}

const RANKS: Record<string, number> = { low: 1, medium: 2, high: 3 };
/** The columns that decide in each order, before account and user. */
const KEYS: Record<string, (row: Row) => bigint[]> = {
  level: (row) => [BigInt(RANKS[text(row['max_risk_level'])] ?? 0), instant(row['last_event'])],
  level_since: (row) => [instant(row['level_since'] ?? row['cleared_at'])],
  event_count: (row) => [instant(row['event_count'])],
  last_event: (row) => [instant(row['last_event'])],
  first_seen_at: (row) => [instant(row['first_seen_at'])],
};

export function expectedUsers(views: Views, level: string, sort: string, order: string): Row[] {
  const rows = views['users']!.filter(
    ({ max_risk_level: at }) =>
      level === 'all' ||
      (level === 'present' && at !== null) ||
      (level === 'cleared' && at === null) ||
      at === level,
  );
  const ascending = rows.toSorted((a, b) => {
    const [x, y] = [KEYS[sort]!(a), KEYS[sort]!(b)];
    const nth = x.findIndex((value, at) => value !== y[at]);
    return nth === -1 ? compare(a, b, ['account_id', 'user_id']) : x[nth]! < y[nth]! ? -1 : 1;
  });
  return order === 'asc' ? ascending : ascending.toReversed();
}

function compare(a: Row, b: Row, columns: readonly string[]): number {
  for (const column of columns) {
    const [x, y] = [text(a[column]), text(b[column])];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}
