// A list in the order of the newest event, which moves while it is read. For each page, some users act and move to the
// top. In one of fifty moves, a user is reset instead. In another one of fifty, a new user arrives. Knows the true
// state at every request.
import { createHash } from 'node:crypto';
import type { SummaryPage } from '../../src/cloudflare/client.ts';
import type { UserRecord } from '../../src/cloudflare/endpoints/user-record.ts';

export type DriftingList = ReturnType<typeof createDriftingList>;
export type Row = { user_id: string; max_risk_level: 'low'; event_count: number; last_event: string };

const RESET_SHARE = 0.02;
const ARRIVAL_SHARE = 0.02;
const START = Date.parse('2026-01-01T00:00:00Z');

export function createDriftingList(users: number, movesPerPage: number, seed: number) {
  let state = seed;
  // Park and Miller: good enough to choose who moves next, and the same on every machine.
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  let tick = 1;
  let arrivals = 0;
  const list: Row[] = [];
  /** The last tick at which each user had no level. */
  const without = new Map<string, number>();
  const resets = new Map<string, number>();
  let moving = movesPerPage > 0;
  let due = 0;

  const instant = () =>
    `${new Date(START + Math.floor(tick / 1000)).toISOString().slice(0, -1)}${String(tick % 1000).padStart(3, '0')}Z`;
  function arrive(): void {
    const userId = uuid(`${seed}/${arrivals++}`);
    without.set(userId, tick - 1);
    list.unshift({ user_id: userId, max_risk_level: 'low', event_count: 1, last_event: instant() });
  }
  for (let user = 0; user < users; user++, tick++) arrive();

  function move(): void {
    tick++;
    const kind = random();
    if (kind < ARRIVAL_SHARE) return arrive();
    const [row] = list.splice(Math.floor(random() * list.length), 1);
    if (row === undefined) return;
    if (kind < ARRIVAL_SHARE + RESET_SHARE) {
      without.set(row.user_id, tick);
      resets.set(row.user_id, tick);
    } else list.unshift({ ...row, event_count: row.event_count + 1, last_event: instant() });
  }

  return {
    now: () => tick,
    ids: () => list.map((row) => row.user_id),
    stop: () => void (moving = false),
    start: () => void (moving = true),
    moveOn(moves: number): void {
      for (let n = 0; n < moves; n++) move();
    },
    /** The tick from which a present user has had a level without a break. */
    presentFrom: (userId: string) => (without.get(userId) ?? -1) + 1,
    /** Whether the user has had a level at every tick from `since` on. */
    presentSince: (userId: string, since: number) =>
      list.some((row) => row.user_id === userId) && (without.get(userId) ?? 0) < since,
    /** Returns one answer. After that, the list moves on. */
    page(page: number, perPage: number): { records: Row[]; info: SummaryPage<unknown>['info'] } {
      const records = list.slice((page - 1) * perPage, page * perPage);
      const info = { page, per_page: perPage, total_count: list.length };
      if (moving) for (due += movesPerPage; due >= 1 - random(); due--) move();
      return { records, info };
    },
    record(userId: string): UserRecord | null {
      const row = list.find((one) => one.user_id === userId);
      const reset = resets.get(userId);
      const at =
        reset === undefined
          ? null
          : `${new Date(START + Math.floor(reset / 1000)).toISOString().slice(0, -1)}${String(reset % 1000).padStart(3, '0')}Z`;
      // Like the summary, without emails and names.
      const own = { lastResetTime: at, hasUnreadableEvents: false, email: null, name: null };
      if (row !== undefined) return { ...own, riskLevel: row.max_risk_level, newestEvent: row.last_event };
      return reset === undefined ? null : { ...own, riskLevel: null, newestEvent: null };
    },
  };
}

function uuid(text: string): string {
  const hex = createHash('md5').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
