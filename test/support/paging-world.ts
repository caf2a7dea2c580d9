// An account and a server for it, as a pure function of page and per_page: paging as it might turn out to work.
import { ExchangeError } from '../../src/cloudflare/failures.ts';
import type { SummaryPage } from '../../src/cloudflare/client.ts';
import { walkPages, type Pass } from '../../src/cloudflare/walk-pages.ts';
import { OperatorError } from '../../src/errors.ts';

export type PagingWorld = {
  users: number;
  /** No page is larger; null: as large as asked. */
  clamp: number | null;
  page: 'honoured' | 'ignored';
  /** The whole account whatever was asked. */
  everything: boolean;
  /** What a page beyond the last one holds. */
  beyond: 'empty' | 'last' | 'first';
  /** What result_info says; null: there is none. */
  info: {
    total_count: 'right' | 'missing' | number;
    total_pages: 'right' | 'missing' | number;
    per_page: 'right' | 'asked' | 'missing';
  } | null;
  /** Slips of the server's: the n-th answer (from 1) holds this page instead, or nothing. */
  slips: ReadonlyMap<number, number | 'empty'>;
  /** A larger per_page is answered by 400. */
  refuseAbove: number | null;
};

/** page and per_page honoured, everything stated and right. */
export const HONEST: PagingWorld = {
  users: 130,
  clamp: 50,
  page: 'honoured',
  everything: false,
  beyond: 'empty',
  info: { total_count: 'right', total_pages: 'right', per_page: 'right' },
  slips: new Map(),
  refuseAbove: null,
};

export type Outcome = {
  pass: Pass | null;
  error: (Error & { code?: string }) | null;
  /** Distinct users accepted. */
  met: number;
  /** Every user of the account was accepted. */
  whole: boolean;
  requests: { page: number; perPage: number }[];
  mostAtOnce: number;
  /** Order in which pages were handed on. */
  acceptedPages: number[];
};

/** Users on one page of answer number `nth`. */
export function answer(world: PagingWorld, page: number, perPage: number, nth: number): SummaryPage {
  const all = Array.from({ length: world.users }, (_, n) => ({ user_id: `user-${n}` }));
  const size = world.everything ? Math.max(1, all.length) : Math.min(perPage, world.clamp ?? perPage);
  const last = Math.max(1, Math.ceil(all.length / size));
  const slip = world.slips.get(nth);
  let number = typeof slip === 'number' ? Math.min(slip, last) : page;
  if (world.everything || world.page === 'ignored') number = 1;
  if (number > last && world.beyond !== 'empty') number = world.beyond === 'last' ? last : 1;
  const records = slip === 'empty' ? [] : all.slice((number - 1) * size, number * size);
  const info: SummaryPage['info'] = {};
  if (world.info !== null) {
    const { total_count, total_pages, per_page } = world.info;
    info.page = page;
    info.count = records.length;
    if (total_count !== 'missing') info.total_count = total_count === 'right' ? all.length : total_count;
    if (total_pages !== 'missing')
      info.total_pages = total_pages === 'right' ? Math.ceil(all.length / size) : total_pages;
    if (per_page !== 'missing') info.per_page = per_page === 'right' ? size : perPage;
  }
  return { records, info, bytes: 1, unknownFields: [] };
}

export async function walkWorld(
  world: PagingWorld,
  settings: {
    perPage?: 'auto' | number;
    concurrency?: number;
    refuse?: (page: number, perPage: number) => Error | null;
  } = {},
): Promise<Outcome> {
  const met = new Set<string>();
  const requests: Outcome['requests'] = [];
  const acceptedPages: number[] = [];
  let underWay = 0;
  let mostAtOnce = 0;
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
      return answer(world, page, perPage, nth);
    },
    async accept(page, records) {
      acceptedPages.push(page);
      await Promise.resolve();
      for (const record of records) met.add((record as { user_id: string }).user_id);
    },
    async countMet() {
      return met.size;
    },
    perPage: settings.perPage ?? 'auto',
    concurrency: settings.concurrency ?? 4,
  });
  const [result] = await Promise.allSettled([walking]);
  return {
    pass: result.status === 'fulfilled' ? result.value : null,
    error: result.status === 'rejected' ? (result.reason as Error) : null,
    met: met.size,
    whole: met.size === world.users,
    requests,
    mostAtOnce,
    acceptedPages,
  };
}

/** As the client says it of an unknown answer with this status. */
export function refused(status: number, code = `HTTP_${status}`): OperatorError {
  return new OperatorError({
    code: status === 400 ? 'REQUEST_REFUSED' : status === 0 ? 'NETWORK' : 'CLOUDFLARE_UNAVAILABLE',
    exit: 1,
    happened: 'told so',
    means: 'nothing',
    todo: 'nothing',
    cause: new ExchangeError(code, status === 0 ? undefined : status),
  });
}
