// Which saved files make which snapshot: files of the same instant are the pages of one snapshot. Pure.
import { CLOCK_TOLERANCE_MS } from '../time/clock-tolerance.ts';
import type { FileFacts, PageFacts } from './inspect-file.ts';
import { savedError, shown } from './saved-file.ts';

export type PlannedSnapshot = {
  at: Date;
  /** In the order of their pages. Equal content occurs once. */
  files: readonly FileFacts[];
  /** What is known to be missing, whatever the walk over the pages shows. */
  doubts: readonly string[];
};

/** In the order of time. Throws IMPORT_PAGES_TWICE. */
export function planSnapshots(found: readonly { at: Date; facts: FileFacts }[]): PlannedSnapshot[] {
  const byInstant = new Map<number, FileFacts[]>();
  for (const { at, facts } of found) {
    const files = byInstant.get(at.getTime()) ?? [];
    if (!files.some(({ digest }) => digest === facts.digest)) files.push(facts);
    byInstant.set(at.getTime(), files);
  }
  return [...byInstant]
    .toSorted(([a], [b]) => a - b)
    .map(([ms, files]) => planOne(new Date(ms), files.toSorted(byPage)));
}

function planOne(at: Date, files: readonly FileFacts[]): PlannedSnapshot {
  refuseTwice(at, files);
  return { at, files, doubts: doubtsOf(files.flatMap(({ pages }) => pages)) };
}

/** By the first page that a file states, then by name. Numbers in names count as numbers: page 10 is after page 9. */
function byPage(a: FileFacts, b: FileFacts): number {
  const first = ({ pages }: FileFacts) => pages.find(({ number }) => number !== null)?.number ?? 0;
  return first(a) - first(b) || a.file.name.localeCompare(b.file.name, 'en', { numeric: true });
}

/** Two answers to one question are two walks. Combined, they would look like one walk during which the list moved. */
function refuseTwice(at: Date, files: readonly FileFacts[]): void {
  const holders = new Map<number, FileFacts>();
  for (const facts of files)
    for (const { number, records } of facts.pages) {
      if (number === null || records === 0) continue;
      const other = holders.get(number);
      if (other !== undefined) throw pagesTwice(at, number, other, facts);
      holders.set(number, facts);
    }
}

function pagesTwice(at: Date, number: number, one: FileFacts, other: FileFacts) {
  const who =
    one === other
      ? `${shown(one.file)} holds page ${number} of the snapshot of ${at.toISOString()} twice`
      : `${shown(one.file)} and ${shown(other.file)} both hold page ${number} of the snapshot of ${at.toISOString()}, and the files differ`;
  return savedError(
    'IMPORT_PAGES_TWICE',
    who,
    'Leave one of the two out. If they were saved at different times, put the full time into their names',
  );
}

/**
 * Files with records of events that are later than the time of the file, by more than five minutes. Clocks may differ
 * by that much. So the time is wrong, most often its zone, or the records are wrong.
 */
export function aheadOf(plan: readonly PlannedSnapshot[]): { at: Date; facts: FileFacts; event: Date }[] {
  return plan.flatMap(({ at, files }) =>
    files.flatMap((facts) =>
      facts.newestEvent !== null && facts.newestEvent > at.getTime() + CLOCK_TOLERANCE_MS
        ? [{ at, facts, event: new Date(facts.newestEvent) }]
        : [],
    ),
  );
}

const MOST_NAMED = 5;

function doubtsOf(pages: readonly PageFacts[]): string[] {
  const without = pages.filter(({ total }) => total === null).length;
  return [
    ...gapsIn(pages),
    // A page that states nothing may be from another time, or may have been filtered.
    ...(without > 0 && without < pages.length
      ? [`${without} of ${pages.length} saved pages state no total`]
      : []),
  ];
}

/** Missing pages: the numbers below the highest one that no file has. */
function gapsIn(pages: readonly PageFacts[]): string[] {
  const numbers = new Set(pages.flatMap(({ number }) => (number === null || number === 0 ? [] : [number])));
  const highest = [...numbers].reduce((most, number) => Math.max(most, number), 0);
  const missing = highest - numbers.size;
  if (missing === 0) return [];
  const named: number[] = [];
  for (let number = 1; number < highest && named.length < MOST_NAMED; number++)
    if (!numbers.has(number)) named.push(number);
  const more = missing > named.length ? ` and ${missing - named.length} more` : '';
  return [
    `of the pages, ${named.join(', ')}${more} ${missing === 1 ? 'is' : 'are'} not among the saved files`,
  ];
}
