// How the server treats paging now, compared with the last walks, and whether a walk can finish in its time.
import { leastTime } from '../../cloudflare/budget.ts';
import type { SummaryPage } from '../../cloudflare/client.ts';
import { pagingChanges } from '../../cloudflare/paging/paging-changes.ts';
import { isPageSizeRefused, isPageTimeout } from '../../cloudflare/problems/meanings.ts';
import { collectRecords } from '../../cloudflare/endpoints/summary/record-reader.ts';
import { isFullPage } from '../../cloudflare/paging/page-size.ts';
import { AUTO_SIZES } from '../../cloudflare/paging/pass.ts';
import type { Config } from '../../config.ts';
import type { KeptPaging, Paging } from '../../evidence.ts';
import type { EndedWalk } from '../../queries/accounts/account-health.ts';
import { PROBE_SIZE, type AccountProbe } from './summary.ts';
import type { Asked, Asker } from './asker.ts';
import { failedAs, failedWith, merged, ok, skipped, warning, type Line } from './lines.ts';
import { duration, plural } from '../../words.ts';

/** `small` and `second`: pages 1 and 2 with a few records; `first`: page 1 as a walk asks for it. */
export type PagingProbe = {
  small: SummaryPage<unknown>;
  second: SummaryPage<unknown>;
  first: SummaryPage<unknown>;
  asked: number;
  firstMs: number;
};

export type EarlierWalk = Pick<EndedWalk, 'runId' | 'usersMet' | 'evidence'>;

/** Sends two requests; three or four when large pages are refused. Returns a line when one of them fails. */
export async function probePaging(
  asker: Asker,
  { accountId, page: small }: AccountProbe,
  perPage: 'auto' | number,
): Promise<PagingProbe | Line> {
  if (small === null) return skipped('paging', 'the risk summary could not be read');
  const page = (number: number, size: number): Promise<Asked<SummaryPage<unknown>>> =>
    asker.ask((client, common) =>
      client.summaryPage({
        accountId,
        page: number,
        perPage: size,
        ...common,
        openReader: () => collectRecords(0),
      }),
    );
  const second = await page(2, PROBE_SIZE);
  if ('error' in second) return failedWith('paging', second.error);
  const sizes = perPage === 'auto' ? AUTO_SIZES : [perPage];
  const asked = sizes[0]!;
  for (const size of sizes) {
    const first = await page(1, size);
    if ('value' in first)
      return { small, second: second.value, first: first.value, asked, firstMs: first.ms };
    const maySmaller =
      size !== sizes.at(-1) && (isPageSizeRefused(first.error) || isPageTimeout(first.error));
    if (!maySmaller) return failedWith('paging', first.error);
  }
  throw new Error('no page size to ask for');
}

/** Describes paging in the words of a walk, so that it can be compared with what walks recorded. */
export function describePaging({ small, second, first, asked }: PagingProbe): Paging {
  const size = first.count;
  const total = first.info.total_count;
  const isRepeated = second.count > 0 && second.users === small.users;
  const page = isRepeated
    ? 'ignored'
    : second.count === 0 && small.count < PROBE_SIZE
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
  const found = `${treated}, ${plural(size, 'user')} per page (${now.asked_per_page.toLocaleString('en-US')} requested), ${now.totals ? 'totals stated' : 'no totals'}`;
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
  const [newest, before] = walks.map(({ runId, evidence }) => ({
    runId,
    paging: evidence.paging ?? {},
  }));
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
