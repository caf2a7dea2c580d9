// What an export with `--state` does next: from where each dataset goes on, under which name, and which files of an
// interrupted call it replaces. Pure.
import { OperatorError } from '../errors.ts';
import type { DatasetName } from './datasets.ts';
import type { Feed } from './export-datasets.ts';
import type { FeedFile, FeedState } from './feed-state.ts';

const DIGITS = 12;

/** "levels-000000000041-000000000057.csv": the rows after 41, up to 57. So names sort in the order of the feed. */
export function feedFileName(dataset: DatasetName, after: number, upTo: number, ending: string): string {
  const number = (value: number) => String(value).padStart(DIGITS, '0');
  return `${dataset}-${number(after)}-${number(upTo)}.${ending}`;
}

const NAME = /^([a-z-]+)-(\d{12})-\d{12}\.(?:csv|ndjson|parquet)(?:\.gz)?$/;
const TEMPORARY = /^\.(.+)\.[0-9a-f]{12}\.part$/;

export function isFeedFile(name: string): boolean {
  return NAME.test(name);
}

/**
 * Files that begin where the feed goes on, and that the state does not list: an export gave them their names and ended
 * before it wrote the state. Their rows are written again. Other files are left alone.
 */
export function unfinishedFiles(
  names: readonly string[],
  state: FeedState,
  datasets: readonly DatasetName[],
): string[] {
  const listed = new Set(state.files.map(({ name }) => name));
  return names.filter((name) => {
    const [, dataset, after] = NAME.exec(name) ?? [];
    const known = datasets.find((one) => one === dataset);
    return known !== undefined && !listed.has(name) && Number(after) === watermarkOf(state, known);
  });
}

/** What a killed export had not finished. Nobody else writes such names while the feed is locked. */
export function abandonedFiles(names: readonly string[]): string[] {
  return names.filter((name) => isFeedFile(TEMPORARY.exec(name)?.[1] ?? ''));
}

export function watermarkOf(state: FeedState | null, dataset: DatasetName): number {
  return state?.watermarks[dataset] ?? 0;
}

/** `there`: the names in the folder. Files that were taken away are no longer listed. */
export function nextState(
  state: FeedState,
  done: {
    feed: Feed;
    datasets: readonly DatasetName[];
    files: readonly FeedFile[];
    there: ReadonlySet<string>;
  },
): FeedState {
  const watermarks = { ...state.watermarks };
  for (const dataset of done.datasets) watermarks[dataset] = done.feed.feedId;
  const earlier = state.files.filter(({ name }) => done.there.has(name));
  return { ...state, epoch: done.feed.epoch, watermarks, files: [...earlier, ...done.files] };
}

/** Throws EXPORT_OPTIONS. */
export function requireOwnFolder(state: FeedState | null, names: readonly string[], folder: string): void {
  if (state !== null || !names.some(isFeedFile)) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: `${folder} holds files of a feed, and its state file is not the one that was given`,
    means: 'A new feed would write the same rows again beside them. Nothing was exported',
    todo: 'Give the state file of that feed, or an empty folder for a new one',
  });
}

/**
 * A restored history continues the one that was exported, up to a feed value. A state that ends before it goes on, and
 * takes the new epoch. Throws FEED_WENT_BACK.
 */
export function requireSameFeed(state: FeedState | null, feed: Feed): void {
  if (state === null) return;
  const highest = Math.max(0, ...Object.values(state.watermarks));
  const isKnown = feed.earlier.has(state.epoch);
  const goodUpTo = feed.earlier.get(state.epoch) ?? -1;
  if (highest <= goodUpTo) return;
  throw new OperatorError({
    code: 'FEED_WENT_BACK',
    happened: isKnown
      ? `The exported history is this one up to ${goodUpTo}, and the state file remembers ${highest}`
      : 'The history has another epoch than the one that the state file remembers',
    means:
      'The history was restored, replaced or moved. The same feed values may mean other rows now, so nothing was exported',
    todo: 'Begin again with a new state file and an empty folder, and replace what was loaded (docs/feeds.md, "After a restore"). If a standby is behind, try again later',
  });
}

/** Throws EXPORT_OPTIONS. */
export function requireSameAccounts(state: FeedState | null, accounts: readonly string[] | null): void {
  if (state === null || JSON.stringify(state.accounts) === JSON.stringify(accounts)) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: 'The state file belongs to a feed of other accounts than these',
    means: 'Rows of an added account from before would be missing. Nothing was exported',
    todo: 'Give the same --account as before, or use another state file and folder for these accounts',
  });
}
