// The file of `--state`: which history was exported up to where, and which files hold it. The next export goes on from
// it. Reading decides nothing; plan-feed.ts does.
import { readFile } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';
import type { DatasetName } from './datasets.ts';
import { writeText } from './write-text.ts';

export type FeedFile = { name: string; rows: number };
export type FeedState = {
  epoch: string;
  /** Ids, sorted; null: all accounts. A feed keeps to the accounts that it began with. */
  accounts: string[] | null;
  /** Whether its files are in folders account=…/date=…. */
  partition: boolean;
  /** For each dataset, the feed value up to which its files hold all rows. */
  watermarks: Partial<Record<DatasetName, number>>;
  /** Files that are whole and belong to the feed, in the order in which they were written. */
  files: FeedFile[];
};

const VERSION = 1;

/** Null: there is no such file. Throws FEED_STATE_BROKEN. */
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
  return writeText(file, `${JSON.stringify({ version: VERSION, ...state }, null, 2)}\n`);
}

function parse(text: string): FeedState {
  const { version, epoch, accounts, partition, watermarks, files } = JSON.parse(text) as Record<
    string,
    unknown
  >;
  const isWhole =
    version === VERSION &&
    typeof epoch === 'string' &&
    typeof partition === 'boolean' &&
    (accounts === null || isListOf(accounts, (one) => typeof one === 'string')) &&
    isListOf(Object.values(watermarks as object), Number.isSafeInteger) &&
    isListOf(files, (one) => typeof (one as FeedFile).name === 'string');
  if (!isWhole) throw new Error('not a state of this version');
  return { epoch, accounts, partition, watermarks, files } as FeedState;
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
