// Plans the next export with `--state`: where each dataset continues, under which name, and which files of an
// interrupted call it replaces. Pure.
import { OperatorError } from '../errors.ts';
import type { DatasetName } from './datasets.ts';
import { ONE_FOR_ALL, type ClockState, type FeedFile, type FeedState } from './feed-state.ts';
import { onlyClock, type FeedClock, type Feed } from './read-clocks.ts';
import type { After } from './select-rows.ts';

const DIGITS = 12;

/** "levels-000000000041-000000000057.csv": the rows after 41, up to 57. So names sort in the order of the feed. */
export function feedFileName(dataset: DatasetName, after: number, upTo: number, ending: string): string {
  return `${dataset}-${digits(after)}-${digits(upTo)}.${ending}`;
}

/** The same in every folder of a dataset with `--partition`: "000000000041-000000000057.parquet". */
export function partitionFileName(after: number, upTo: number): string {
  return `${digits(after)}-${digits(upTo)}.parquet`;
}

const digits = (value: number) => String(value).padStart(DIGITS, '0');

/** Names are paths from the folder of the feed, with slashes on every system. */
const NAME =
  /^([a-z-]+)(?:-|\/account=[^/]+\/(?:date=[^/]+\/)?)(\d{12})-\d{12}\.(?:csv|ndjson|parquet)(?:\.gz)?$/;
const TEMPORARY = /^(.*\/)?\.([^/]+)\.[0-9a-f]{12}\.part$/;

export function isFeedFile(name: string): boolean {
  return NAME.test(name);
}

/**
 * Files that begin where the feed continues, but that the state does not list: an export named them and ended before it
 * wrote the state. Their rows are written again. Other files are left alone.
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
    return known !== undefined && !listed.has(name) && Number(after) === numberOf(state, known);
  });
}

/** What a killed export had not finished. While the feed is locked, no other process writes such names. */
export function abandonedFiles(names: readonly string[]): string[] {
  return names.filter((name) => {
    const [, folder = '', file = ''] = TEMPORARY.exec(name) ?? [];
    return isFeedFile(`${folder}${file}`);
  });
}

/** The new rows. Null: there can be none. */
export function newRows(state: FeedState | null, feed: Feed, dataset: DatasetName): After | null {
  const begin = (clock: FeedClock) => remembered(state, clock)?.watermarks[dataset] ?? 0;
  const one = onlyClock(feed);
  if (one !== null) return one.feedId === begin(one) ? null : begin(one);
  const moved = feed
    .map((clock) => ({ accountId: clock.accountId ?? '', after: begin(clock), feedId: clock.feedId }))
    .filter(({ after, feedId }) => after !== feedId);
  return moved.length === 0 ? null : moved.map(({ accountId, after }) => ({ accountId, after }));
}

/**
 * Null: the account is new to the feed, and begins with all its rows. When a history is distributed, the clocks of its
 * accounts continue the one clock before. An account that was added later does not continue that clock.
 */
function remembered(state: FeedState | null, clock: FeedClock): ClockState | null {
  const own = state?.clocks.get(clock.accountId ?? ONE_FOR_ALL);
  if (own !== undefined) return own;
  const before = state?.clocks.get(ONE_FOR_ALL);
  return before !== undefined && clock.earlier.has(before.epoch) ? before : null;
}

/** The number with which the names of a dataset's files begin in this call. */
export function numberOf(state: FeedState | null, dataset: DatasetName): number {
  return state?.numbers[dataset] ?? 0;
}

/** The number with which they end. */
export function nextNumber(state: FeedState | null, feed: Feed, dataset: DatasetName): number {
  return onlyClock(feed)?.feedId ?? numberOf(state, dataset) + 1;
}

/** `there`: the names in the folder. Files that were removed are no longer listed. */
export function nextState(
  state: FeedState,
  done: {
    feed: Feed;
    datasets: readonly DatasetName[];
    files: readonly FeedFile[];
    there: ReadonlySet<string>;
  },
): FeedState {
  const { feed, datasets } = done;
  const clocks = feed.map((clock): [string, ClockState] => {
    const watermarks = { ...remembered(state, clock)?.watermarks };
    for (const dataset of datasets) watermarks[dataset] = clock.feedId;
    return [clock.accountId ?? ONE_FOR_ALL, { epoch: clock.epoch, watermarks }];
  });
  const numbers = { ...state.numbers };
  for (const dataset of datasets)
    if (newRows(state, feed, dataset) !== null) numbers[dataset] = nextNumber(state, feed, dataset);
  const earlier = state.files.filter(({ name }) => done.there.has(name));
  return { ...state, clocks: new Map(clocks), numbers, files: [...earlier, ...done.files] };
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
 * A restored history continues the exported one, up to a feed value. A state that ends before that value continues, and
 * takes the new epoch. Throws FEED_WENT_BACK.
 */
export function requireSameFeed(state: FeedState | null, feed: Feed): void {
  if (state === null) return;
  const used = new Set<ClockState>();
  for (const clock of feed) {
    const before = remembered(state, clock);
    if (before === null) continue;
    used.add(before);
    requireContinued(before, clock);
  }
  for (const [accountId, before] of state.clocks)
    if (!used.has(before)) throw wentBack(otherEpoch(accountId));
}

function requireContinued({ epoch, watermarks }: ClockState, { accountId, earlier }: FeedClock): void {
  const highest = Math.max(0, ...Object.values(watermarks));
  const goodUpTo = earlier.get(epoch);
  if (goodUpTo === undefined) throw wentBack(otherEpoch(accountId ?? ONE_FOR_ALL));
  if (highest <= goodUpTo) return;
  const whose = accountId === null ? '' : ` for account ${accountId}`;
  throw wentBack(
    `The exported history is this one up to ${goodUpTo}${whose}, and the state file remembers ${highest}`,
  );
}

function otherEpoch(accountId: string): string {
  const whose = accountId === ONE_FOR_ALL ? '' : ` of account ${accountId}`;
  return `The history${whose} has another epoch than the one that the state file remembers`;
}

function wentBack(happened: string): OperatorError {
  return new OperatorError({
    code: 'FEED_WENT_BACK',
    happened,
    means:
      'The history was restored, replaced or moved. The same feed values may mean other rows now, so nothing was exported',
    todo: 'Begin again with a new state file and an empty folder, and replace what was loaded (docs/feeds.md, "After a restore"). If a standby is behind, try again later',
  });
}

/** Throws EXPORT_OPTIONS. */
export function requireSameForm(
  state: FeedState | null,
  { accounts, partition }: { accounts: readonly string[] | null; partition: boolean },
): void {
  if (state === null) return;
  if (state.partition !== partition) throw otherForm(state.partition);
  if (JSON.stringify(state.accounts) === JSON.stringify(accounts)) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: 'The state file belongs to a feed of other accounts than these',
    means: 'Rows of an added account from before would be missing. Nothing was exported',
    todo: 'Give the same --account as before, or use another state file and folder for these accounts',
  });
}

function otherForm(isPartitioned: boolean): OperatorError {
  return new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: `The state file belongs to a feed that was begun ${isPartitioned ? 'with' : 'without'} --partition`,
    means: 'Half of the rows would be where a reader of the other half does not look. Nothing was exported',
    todo: `${isPartitioned ? 'Add --partition' : 'Leave --partition out'}, or use another state file and folder`,
  });
}
