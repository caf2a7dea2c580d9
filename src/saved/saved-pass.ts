// One pass over saved pages: the same records, counts and totals as from a pass over the live list. Pages that were not
// saved cannot be asked for, so there is no second pass, and no page beyond the end.
import type { Pass, ReadPages } from '../cloudflare/paging/pass.ts';
import { tallyPage, type PageTally } from '../cloudflare/paging/tally-page.ts';
import type { FileFacts } from './inspect-file.ts';
import type { PlannedSnapshot } from './plan-snapshots.ts';
import { readSavedPages } from './read-pages.ts';
import { unreadableFile } from './saved-file.ts';

export function readPlanned<T>({ files, doubts }: PlannedSnapshot): ReadPages<T> {
  return async ({ openReader, signal, countUse, accept, onPage }) => {
    const expected = files.reduce((sum, { pages }) => sum + pages.length, 0);
    const totals: number[] = [];
    const unknownFields = new Set<string>();
    let [pages, records] = [0, 0];
    for (const facts of files) {
      const openTally = async () => tallyPage<T>(await openReader());
      const onBytes = (bytes: number) => countUse('bytes', bytes);
      const onDigest = (digest: string) => refuseChanged(facts, digest);
      const read = readSavedPages<PageTally<T>>(facts.file, {
        openReader: openTally,
        signal,
        onBytes,
        onDigest,
      });
      for await (const { content, count, info } of read) {
        records += count;
        if (info.total_count !== undefined) totals.push(info.total_count);
        for (const field of content.unknownFields) unknownFields.add(field);
        await accept(++pages, content.content, false);
        const total = info.total_count ?? null;
        onPage?.({ pages, expected, records, total, pageSize: count, repeatedPages: 0 });
      }
    }
    return describe({ pages, records, totals, unknownFields: [...unknownFields].toSorted() }, doubts);
  };
}

type Read = { pages: number; records: number; totals: readonly number[]; unknownFields: string[] };

function describe({ pages, records, totals, unknownFields }: Read, doubts: readonly string[]): Pass {
  return {
    pages,
    repeatedPages: 0,
    totalFirst: totals[0] ?? null,
    totalLast: totals.at(-1) ?? null,
    totalsMoved: new Set(totals).size > 1,
    // Without a total, nothing shows whether one saved page is the whole account, because the next page was not asked
    // for.
    oneResponse: pages === 1 && totals[0] === records,
    askedPerPage: 0,
    paging: null,
    doubts,
    refusedEnd: null,
    unknownFields,
  };
}

/** The plan was made from the content that was read first. */
function refuseChanged({ file, digest: planned }: FileFacts, digest: string): void {
  if (digest === planned) return;
  throw unreadableFile(
    file,
    'it has changed since it was checked',
    'Wait until nothing writes to it. Then start the import again',
  );
}
