// An account and its server, as a pure function of page, per_page and the number of the answer. It covers the ways in
// which paging may work. The list may change between any two answers.
import { ExchangeError } from '../../../src/cloudflare/failures.ts';
import type { SummaryPage } from '../../../src/cloudflare/client.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { Pass } from '../../../src/cloudflare/paging/pass.ts';
import { walkPages } from '../../../src/cloudflare/paging/walk-pages.ts';
import { OperatorError, type ErrorCode } from '../../../src/errors.ts';
import { pageOf } from './serve-records.ts';

export type PagingWorld = {
  users: number;
  /** The largest page; null: as large as requested. */
  clamp: number | null;
  page: 'honoured' | 'ignored';
  /** Every answer is the whole account, whatever was requested. */
  everything: boolean;
  /** What a page beyond the last one holds. refused: the page is answered by an error. */
  beyond: 'empty' | 'last' | 'first' | 'refused';
  /** What result_info says; null: there is no result_info. */
  info: {
    total_count: 'right' | 'missing' | number;
    total_pages: 'right' | 'missing' | number;
    per_page: 'right' | 'asked' | 'missing';
  } | null;
  /** Mistakes of the server: the n-th answer (from 1) holds this page instead, or nothing, or is an error. */
  slips: ReadonlyMap<number, number | 'empty' | 'refused'>;
  /** Pages that are always answered by an error. */
  refusedPages: readonly number[];
  /** A larger per_page is answered by 400; 0: the parameter itself is. */
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
  refusedPages: [],
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
  /** How many of them were answered by an error. */
  refusals: number;
  mostAtOnce: number;
  /** The order in which pages were passed on. */
  acceptedPages: number[];
};

/** Page size of a request that leaves the parameter out. */
export const SIZE_OF_THE_SERVER = 20;

/** Users on one page of answer number `nth`. Throws what the client would throw. */
export function answer(world: PagingWorld, page: number, asked: number, nth: number): SummaryPage<unknown[]> {
  if (world.refuseAbove !== null && asked > world.refuseAbove) throw refused(400);
  const all = rowsAt(world, nth);
  const perPage = asked === 0 ? SIZE_OF_THE_SERVER : asked;
  const size = world.everything ? Math.max(1, all.length) : Math.min(perPage, world.clamp ?? perPage);
  const last = Math.max(1, Math.ceil(all.length / size));
  const slip = world.slips.get(nth);
  const isBeyond = world.beyond === 'refused' && page > last && !world.everything && world.page !== 'ignored';
  if (slip === 'refused' || isBeyond || world.refusedPages.includes(page))
    throw refused(404, 'CLOUDFLARE_7003');
  let number = typeof slip === 'number' ? Math.min(slip, last) : page;
  if (world.everything || world.page === 'ignored') number = 1;
  if (number > last && (world.beyond === 'last' || world.beyond === 'first'))
    number = world.beyond === 'last' ? last : 1;
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
    firstSize?: number;
    /** Another world for this request. */
    worldAt?: (nth: number) => PagingWorld;
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
  let refusals = 0;
  const walking = walkPages({
    async fetchPage(page, perPage) {
      const nth = requests.push({ page, perPage });
      mostAtOnce = Math.max(mostAtOnce, ++underWay);
      // Answers overtake one another.
      for (let tick = (page * 7 + nth) % 5; tick >= 0; tick--) await Promise.resolve();
      underWay--;
      const refusal = settings.refuse?.(page, perPage);
      let given: SummaryPage<unknown[]>;
      try {
        if (refusal) throw refusal;
        given = answer(settings.worldAt?.(nth) ?? world, page, perPage, nth);
      } catch (error) {
        refusals++;
        throw error;
      }
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
    firstSize: settings.firstSize ?? 1_000,
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
    refusals,
    mostAtOnce,
    acceptedPages,
  };
}

/** The client's error for an answer with this status and cause; 0: no answer came. */
export function refused(status: number, code = `HTTP_${status}`): OperatorError {
  return new OperatorError({
    code: codeOf(status, code),
    happened: 'told so',
    means: 'nothing',
    todo: 'nothing',
    cause: new ExchangeError(code, status === 0 ? undefined : status),
  });
}

function codeOf(status: number, code: string): ErrorCode {
  if (code === 'CLOUDFLARE_7003') return 'ACCOUNT_NOT_FOUND';
  if (status === 0) return 'NETWORK';
  if (status === 200 || status === 204) return 'BAD_ANSWER';
  if (status === 401) return 'AUTHENTICATION_FAILED';
  if (status === 402) return 'NOT_IN_PLAN';
  if (status === 403) return 'PERMISSION_DENIED';
  if (status === 404) return 'ENDPOINT_NOT_FOUND';
  if (status === 429) return 'RATE_LIMITED';
  return status < 500 ? 'REQUEST_REFUSED' : 'CLOUDFLARE_UNAVAILABLE';
}
