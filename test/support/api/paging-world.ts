// An account and its server, as a pure function of page, per_page and the number of the answer: the ways in which
// paging may work, over a list that may change between any two answers.
import { ExchangeError } from '../../../src/cloudflare/failures.ts';
import type { SummaryPage } from '../../../src/cloudflare/client.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { Pass } from '../../../src/cloudflare/paging/pass.ts';
import { walkPages } from '../../../src/cloudflare/paging/walk-pages.ts';
import { OperatorError } from '../../../src/errors.ts';
import { pageOf } from './serve-records.ts';

export type PagingWorld = {
  users: number;
  /** The largest page; null: as large as requested. */
  clamp: number | null;
  page: 'honoured' | 'ignored';
  /** Every answer is the whole account, whatever was requested. */
  everything: boolean;
  /** What a page beyond the last one holds. */
  beyond: 'empty' | 'last' | 'first';
  /** What result_info says; null: there is no result_info. */
  info: {
    total_count: 'right' | 'missing' | number;
    total_pages: 'right' | 'missing' | number;
    per_page: 'right' | 'asked' | 'missing';
  } | null;
  /** Mistakes of the server: the n-th answer (from 1) holds this page instead, or nothing. */
  slips: ReadonlyMap<number, number | 'empty'>;
  /** A larger per_page is answered by 400. */
  refuseAbove: number | null;
  /**
   * Users who act before each answer, over and over in this order: the user's count rises, and the user moves to the
   * front.
   */
  acts: readonly number[];
  /** Rows with equal sort keys come in another order in every answer. Without acts, all rows are equal. */
  shuffled: boolean;
  /** Every answer holds an unknown field with a new value. */
  restless: boolean;
};

/** page and per_page are honoured, and everything is stated correctly. */
export const HONEST: PagingWorld = {
  users: 130,
  clamp: 50,
  page: 'honoured',
  everything: false,
  beyond: 'empty',
  info: { total_count: 'right', total_pages: 'right', per_page: 'right' },
  slips: new Map(),
  refuseAbove: null,
  acts: [],
  shuffled: false,
  restless: false,
};

type Row = { user_id: string; event_count: number; asked_nth?: number };

export type Outcome = {
  pass: Pass | null;
  error: (Error & { code?: string }) | null;
  /** Distinct users accepted, and records without those of repeated pages. */
  met: number;
  records: number;
  /** Every user of the account was accepted. */
  whole: boolean;
  /** Users for whom the last accepted record is not the last served one. */
  stale: string[];
  restarts: number;
  requests: { page: number; perPage: number }[];
  mostAtOnce: number;
  /** The order in which pages were passed on. */
  acceptedPages: number[];
};

/** Users on one page of answer number `nth`. */
export function answer(
  world: PagingWorld,
  page: number,
  perPage: number,
  nth: number,
): SummaryPage<unknown[]> {
  const all = rowsAt(world, nth);
  const size = world.everything ? Math.max(1, all.length) : Math.min(perPage, world.clamp ?? perPage);
  const last = Math.max(1, Math.ceil(all.length / size));
  const slip = world.slips.get(nth);
  let number = typeof slip === 'number' ? Math.min(slip, last) : page;
  if (world.everything || world.page === 'ignored') number = 1;
  if (number > last && world.beyond !== 'empty') number = world.beyond === 'last' ? last : 1;
  const records = slip === 'empty' ? [] : all.slice((number - 1) * size, number * size);
  const info: SummaryPage<unknown>['info'] = {};
  if (world.info !== null) {
    const { total_count, total_pages, per_page } = world.info;
    info.page = page;
    info.count = records.length;
    if (total_count !== 'missing') info.total_count = total_count === 'right' ? all.length : total_count;
    if (total_pages !== 'missing')
      info.total_pages = total_pages === 'right' ? Math.ceil(all.length / size) : total_pages;
    if (per_page !== 'missing') info.per_page = per_page === 'right' ? size : perPage;
  }
  return pageOf(records, info, collectRecords());
}

function rowsAt({ users, acts, shuffled, restless }: PagingWorld, nth: number): Row[] {
  const counts = Array.from({ length: users }, () => 0);
  const newest = Array.from({ length: users }, () => 0);
  for (let n = 1; acts.length > 0 && users > 0 && n <= nth; n++) {
    const who = acts[(n - 1) % acts.length]! % users;
    counts[who]!++;
    newest[who] = n;
  }
  const tie = (who: number) => (shuffled ? (who * 7_919 + nth * 104_729 * (who + 1)) % 1_009 : who);
  const order = Array.from({ length: users }, (_, who) => who);
  if (acts.length > 0 || shuffled) order.sort((a, b) => newest[b]! - newest[a]! || tie(a) - tie(b) || a - b);
  return order.map((who) => ({
    user_id: `user-${who}`,
    event_count: counts[who]!,
    ...(restless ? { asked_nth: nth } : {}),
  }));
}

export async function walkWorld(
  world: PagingWorld,
  settings: {
    perPage?: 'auto' | number;
    concurrency?: number;
    refuse?: (page: number, perPage: number) => Error | null;
  } = {},
): Promise<Outcome> {
  const served = new Map<string, number>();
  const accepted = new Map<string, number>();
  const requests: Outcome['requests'] = [];
  const acceptedPages: number[] = [];
  let underWay = 0;
  let mostAtOnce = 0;
  let records = 0;
  let restarts = 0;
  const walking = walkPages({
    async fetchPage(page, perPage) {
      const nth = requests.push({ page, perPage });
      mostAtOnce = Math.max(mostAtOnce, ++underWay);
      // Answers overtake one another.
      for (let tick = (page * 7 + nth) % 5; tick >= 0; tick--) await Promise.resolve();
      underWay--;
      const refusal = settings.refuse?.(page, perPage);
      if (refusal) throw refusal;
      if (world.refuseAbove !== null && perPage > world.refuseAbove) throw refused(400);
      const given = answer(world, page, perPage, nth);
      for (const row of given.content as Row[]) served.set(row.user_id, row.event_count);
      return given;
    },
    async accept(page, rows, isRepeat) {
      acceptedPages.push(page);
      if (!isRepeat) records += rows.length;
      for (const row of rows as Row[]) accepted.set(row.user_id, row.event_count);
      await Promise.resolve();
    },
    restart() {
      restarts++;
      records = 0;
      accepted.clear();
      served.clear();
    },
    async countMet() {
      return accepted.size;
    },
    perPage: settings.perPage ?? 'auto',
    largest: Number.POSITIVE_INFINITY,
    concurrency: settings.concurrency ?? 4,
  });
  const [result] = await Promise.allSettled([walking]);
  return {
    pass: result.status === 'fulfilled' ? result.value : null,
    error: result.status === 'rejected' ? (result.reason as Error) : null,
    met: accepted.size,
    records,
    whole: accepted.size === world.users,
    stale: [...served].filter(([id, count]) => accepted.get(id) !== count).map(([id]) => id),
    restarts,
    requests,
    mostAtOnce,
    acceptedPages,
  };
}

/** The client's error for an unknown answer with this status. */
export function refused(status: number, code = `HTTP_${status}`): OperatorError {
  return new OperatorError({
    code: status === 400 ? 'REQUEST_REFUSED' : status === 0 ? 'NETWORK' : 'CLOUDFLARE_UNAVAILABLE',
    happened: 'told so',
    means: 'nothing',
    todo: 'nothing',
    cause: new ExchangeError(code, status === 0 ? undefined : status),
  });
}
