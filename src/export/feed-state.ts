// The file of `--state`: which history was exported up to which value, and which files hold it. The next export
// continues from it. Reading decides nothing; plan-feed.ts does.
import { readFile } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';
import type { DatasetName } from './datasets.ts';
import { writeText } from './write-text.ts';

export type FeedFile = { name: string; rows: number };
export type DatasetValues = Partial<Record<DatasetName, number>>;
/** For each dataset, the value of this clock up to which the files of the feed hold all rows. */
export type ClockState = { epoch: string; watermarks: DatasetValues };
export type FeedState = {
  /** Ids, sorted. Null: all accounts. A feed keeps the accounts that it began with. */
  accounts: string[] | null;
  /** Whether its files are in folders account=…/date=…. */
  partition: boolean;
  /** By account id. ALL_ACCOUNTS: the clock of all accounts. */
  clocks: ReadonlyMap<string, ClockState>;
  /**
   * For each dataset, the number from which the names of its files continue. It is the watermark of the one clock.
   * Several clocks have no common value, so there the number counts the calls.
   */
  numbers: DatasetValues;
  /** Files that are complete and belong to the feed, in the order in which they were written. */
  files: FeedFile[];
};

export const ONE_FOR_ALL = '';

/** One form for a history with one clock, and one for a distributed history. */
const ONE_CLOCK = 1;
const CLOCK_PER_ACCOUNT = 2;

/** Null: the file does not exist. Throws FEED_STATE_BROKEN. */
export async function readFeedState(file: string): Promise<FeedState | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw broken(file, error);
  }
  try {
    return parse(text);
  } catch (error) {
    throw broken(file, error);
  }
}

/** Throws OUTPUT_FAILED. */
export function writeFeedState(file: string, state: FeedState): Promise<void> {
  return writeText(file, `${JSON.stringify(written(state), null, 2)}\n`);
}

function written({ accounts, partition, clocks, numbers, files }: FeedState) {
  const one = clocks.get(ONE_FOR_ALL);
  if (one !== undefined)
    return {
      version: ONE_CLOCK,
      epoch: one.epoch,
      accounts,
      partition,
      watermarks: one.watermarks,
      files,
    };
  return {
    version: CLOCK_PER_ACCOUNT,
    accounts,
    partition,
    numbers,
    clocks: Object.fromEntries(clocks),
    files,
  };
}

function parse(text: string): FeedState {
  const { version, ...given } = JSON.parse(text) as Record<string, unknown>;
  const { accounts, partition, files, epoch, watermarks } = given;
  const isDistributed = version === CLOCK_PER_ACCOUNT;
  const clocks: [string, unknown][] = isDistributed
    ? Object.entries(given['clocks'] as object)
    : [[ONE_FOR_ALL, { epoch, watermarks }]];
  const numbers = isDistributed ? given['numbers'] : watermarks;
  const isWhole =
    (version === ONE_CLOCK || isDistributed) &&
    typeof partition === 'boolean' &&
    (accounts === null || isListOf(accounts, (one) => typeof one === 'string')) &&
    clocks.every(([, one]) => isClock(one as ClockState)) &&
    isValues(numbers) &&
    isListOf(files, (one) => typeof (one as FeedFile).name === 'string');
  if (!isWhole) throw new Error('not a state of this version');
  return { accounts, partition, clocks: new Map(clocks), numbers, files } as FeedState;
}

function isClock({ epoch, watermarks }: ClockState): boolean {
  return typeof epoch === 'string' && isValues(watermarks);
}

function isValues(values: unknown): boolean {
  return isListOf(Object.values(values as object), Number.isSafeInteger);
}

function isListOf(value: unknown, is: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is);
}

function broken(file: string, cause: unknown): OperatorError {
  return new OperatorError({
    code: 'FEED_STATE_BROKEN',
    happened: `${file} cannot be read as the state of a feed of this version`,
    means: 'It is not known what was exported before, so nothing was exported',
    todo: 'Put the right file back. Or begin again with a new state file and an empty folder, and replace what was loaded',
    cause,
  });
}
