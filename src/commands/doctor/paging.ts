// How the server handles paging now, compared with the last walks, and whether a walk can finish in its time.
import { leastTime } from '../../cloudflare/pace/budget.ts';
import type { SummaryPage } from '../../cloudflare/client.ts';
import { pagingChanges } from '../../cloudflare/paging/paging-changes.ts';
import { isPageSizeRefused, isPageTimeout, pageRefusal } from '../../cloudflare/problems/meanings.ts';
import { collectRecords } from '../../cloudflare/endpoints/summary/record-reader.ts';
import { isFullPage } from '../../cloudflare/paging/page-size.ts';
import { AUTO_SIZES, NO_SIZE } from '../../cloudflare/paging/pass.ts';
import { pageRefused, pageSizeRefused } from '../../cloudflare/paging/paging-errors.ts';
import type { Config } from '../../config.ts';
import { EXIT } from '../../errors.ts';
import type { KeptPaging, Paging } from '../../evidence.ts';
import type { EndedWalk } from '../../queries/accounts/account-health.ts';
import { PROBE_SIZE, type ReadProbe } from './summary.ts';
import type { Reply, Asker } from './asker.ts';
import { failedAs, failedWith, merged, ok, skipped, warning, type Line } from './lines.ts';
import { duration, plural } from '../../words.ts';

/**
 * `small` and `second`: pages 1 and 2 with a few records. `second` is null if the server refuses a page beyond the end.
 * `first`: page 1 as a walk asks for it. `asked`: the page size with which a walk begins. `used`: the size that was
 * served.
 */
export type PagingProbe = {
  small: SummaryPage<unknown>;
  second: SummaryPage<unknown> | null;
  first: SummaryPage<unknown>;
  asked: number;
  used: number;
  firstMs: number;
};

type AskPage = (number: number, size: number) => Promise<Reply<SummaryPage<unknown>>>;

/** Each timeout takes most of a minute, and a person is waiting. */
const MOST_TIMEOUTS = 3;

export type EarlierWalk = Pick<EndedWalk, 'runId' | 'usersMet' | 'evidence'>;

/** Sends two requests, and more if one is refused. Returns a line if the pages cannot be read. */
export async function probePaging(
  asker: Asker,
  { accountId, page: small, perPage: smallSize }: ReadProbe,
  perPage: 'auto' | number,
): Promise<PagingProbe | Line> {
  const page: AskPage = (number, size) =>
    asker.ask((client, common) =>
      client.summaryPage({
        accountId,
        page: number,
        perPage: size,
        ...common,
        openReader: () => collectRecords(0),
      }),
    );
  const second = await askSecond(page, small, smallSize);
  if (second !== null && 'check' in second) return second;
  const first = await askFirst(page, perPage);
  return 'check' in first ? first : { small, second, ...first };
}

/** Null: refused twice, and page 1 holds all users. */
async function askSecond(
  page: AskPage,
  small: SummaryPage<unknown>,
  size: number,
): Promise<SummaryPage<unknown> | null | Line> {
  let second = await page(2, size);
  if ('error' in second && pageRefusal(second.error) !== null) second = await page(2, size);
  if ('value' in second) return second.value;
  const { error } = second;
  if (pageRefusal(error) === null || error.exit === EXIT.tryLater) return failedWith('paging', error);
  const total = small.info.total_count;
  const isWhole = total === undefined ? small.count < size : total <= small.count;
  return isWhole
    ? null
    : failedWith('paging', pageRefused(2, error, { met: small.count, total: total ?? null }));
}

async function askFirst(
  page: AskPage,
  perPage: 'auto' | number,
): Promise<Pick<PagingProbe, 'first' | 'asked' | 'used' | 'firstMs'> | Line> {
  const sizes = perPage === 'auto' ? AUTO_SIZES : [perPage];
  const asked = sizes[0]!;
  let timeouts = 0;
  for (let nth = 0; ; nth++) {
    const size = sizes[nth]!;
    const first = await page(1, size);
    if ('value' in first) return { first: first.value, asked, used: size, firstMs: first.ms };
    const { error } = first;
    if (perPage !== 'auto' && isPageSizeRefused(error))
      return failedWith('paging', pageSizeRefused(perPage, error));
    if (isPageTimeout(error)) timeouts++;
    const mayHelp = isPageSizeRefused(error) || (isPageTimeout(error) && timeouts < MOST_TIMEOUTS);
    if (!mayHelp || nth === sizes.length - 1) return failedWith('paging', error);
  }
}

/** Describes paging in the words of a walk, so that it can be compared with what walks recorded. */
export function describePaging({ small, second, first, asked }: PagingProbe): Paging {
  const size = first.count;
  const total = first.info.total_count;
  const isRepeated = second !== null && second.count > 0 && second.users === small.users;
  const page = isRepeated
    ? 'ignored'
    : second === null || (second.count === 0 && small.count < PROBE_SIZE)
      ? 'not_needed'
      : 'honoured';
  const several = page === 'honoured' && (total === undefined ? size >= PROBE_SIZE : total > size);
  return {
    page,
    per_page:
      size > asked ? 'ignored' : several && size < asked && total !== undefined ? 'clamped' : 'honoured',
    asked_per_page: asked,
    page_size: size,
    totals: total !== undefined,
  };
}

export function judgePaging(probe: PagingProbe, walks: readonly EarlierWalk[]): Line {
  const now = describePaging(probe);
  const { page_size: size } = now;
  const total = probe.first.info.total_count ?? null;
  const treated =
    now.page === 'not_needed'
      ? 'too few users to tell how the server treats page'
      : now.page === now.per_page
        ? `page and per_page ${now.page}`
        : `page ${now.page}, per_page ${now.per_page}`;
  const requested = `${now.asked_per_page.toLocaleString('en-US')} requested${probe.used === probe.asked ? '' : probe.used === NO_SIZE ? ', but every size is refused' : `, but only ${probe.used} served`}`;
  const beyond = probe.second === null ? ', the page after the last one is refused' : '';
  const found = `${treated}, ${plural(size, 'user')} per page (${requested}), ${now.totals ? 'totals stated' : 'no totals'}${beyond}`;
  const findings: Line[] = [];
  const isCut =
    total !== null ? total > size : isFullPage(size, now.asked_per_page, probe.first.info.per_page);
  if (now.page === 'ignored' && isCut) {
    const mend = 'Set SYNC_PER_PAGE to more than the number of users; if that does not help, report it';
    findings.push(
      total === null
        ? warning('paging', `${found}: it is not known whether this page holds all users`, mend)
        : failedAs('paging', 'PAGING_UNUSABLE', `${found}, and there are ${plural(total, 'user')}`, mend),
    );
  }
  // A run whose paging is missing, or of unknown shape, says nothing about changes.
  const [newest, before] = walks.flatMap(({ runId, evidence: { paging } }) =>
    paging === undefined ? [] : [{ runId, paging }],
  );
  const mend = 'Check whether the next runs are complete; the server may change back';
  if (newest !== undefined) {
    const changes = changesBetween(newest.paging, now);
    if (changes !== '')
      findings.push(warning('paging', `changed since run ${newest.runId}: ${changes}`, mend));
  }
  if (newest !== undefined && before !== undefined) {
    const changes = changesBetween(before.paging, newest.paging);
    if (changes !== '')
      findings.push(
        warning('paging', `changed from run ${before.runId} to ${newest.runId}: ${changes}`, mend),
      );
  }
  return merged('paging', found, findings);
}

function changesBetween(was: KeptPaging, is: KeptPaging): string {
  return pagingChanges(was, is)
    .map((name) => `${name} was ${String(was[name])}, is ${String(is[name])}`)
    .join(', ');
}

/**
 * Milliseconds for one pass over all pages: the time for the pages side by side. With more requests than one burst
 * allows, the share of the rate limit may need longer.
 */
export function passTime(facts: {
  pages: number;
  pageMs: number;
  concurrency: number;
  rateShare: number;
}): number {
  const { pages, pageMs, concurrency, rateShare } = facts;
  return Math.max((pages * pageMs) / Math.min(concurrency, pages), leastTime(pages, rateShare));
}

export function judgeWalkTime(
  probe: PagingProbe,
  walks: readonly EarlierWalk[],
  sync: Pick<Config['sync'], 'concurrency' | 'rateShare' | 'timeBudgetMs'>,
): Line {
  const now = describePaging(probe);
  const total = probe.first.info.total_count ?? walks[0]?.usersMet ?? null;
  if (total === null)
    return skipped('walk_time', 'no total is stated, and no walk has counted the users yet');
  // A walk also asks for one page beyond the end.
  const pages = now.page_size === 0 || now.page === 'ignored' ? 2 : Math.ceil(total / now.page_size) + 1;
  const ms = passTime({ pages, pageMs: probe.firstMs, ...sync });
  const found = `about ${duration(ms)} for ${plural(pages, 'page')}, of ${duration(sync.timeBudgetMs)}`;
  const mend = 'Raise SYNC_TIME_BUDGET, or SYNC_PER_PAGE if pages are small';
  if (ms > sync.timeBudgetMs) return warning('walk_time', `${found}: a walk cannot finish in time`, mend);
  if (ms * 2 > sync.timeBudgetMs)
    return warning('walk_time', `${found}: no room for a second pass, so a busy account stays partial`, mend);
  return ok('walk_time', found);
}
