// An export with `--state`: only what is new, into a folder of files that hold every version of every row once.
import path from 'node:path';
import { OperatorError } from '../errors.ts';
import { withFileLock } from '../host/file-lock.ts';
import { writeFeedPackage } from './data-package.ts';
import type { Dataset } from './datasets.ts';
import {
  exportDatasets,
  filesOf,
  keepFiles,
  type ExportDeps,
  type ExportRequest,
  type Written,
} from './export-datasets.ts';
import { ONE_FOR_ALL, readFeedState, writeFeedState, type FeedState } from './feed-state.ts';
import { openFile, outputFailed } from './output.ts';
import { namesIn, openPartitions, removeFromPartition } from './partitions.ts';
import {
  abandonedFiles,
  feedFileName,
  isFeedFile,
  newRows,
  nextNumber,
  nextState,
  numberOf,
  partitionFileName,
  requireOwnFolder,
  requireSameForm,
  requireSameFeed,
  unfinishedFiles,
} from './plan-feed.ts';
import { onlyClock, type Feed } from './read-clocks.ts';
import { endingOf } from './targets.ts';

export type FeedRequest = Pick<ExportRequest, 'accounts' | 'format' | 'gzip' | 'forPeople'> & {
  stateFile: string;
  folder: string;
  datasets: readonly Dataset[];
  /** Folders account=…/date=…, in Parquet. */
  partition: boolean;
};

export type FeedExported = {
  feed: Feed;
  written: Pick<Written, 'dataset' | 'rows' | 'bytes' | 'output'>[];
  /** Files of an interrupted call: they were removed, and their rows are in `written`. */
  unfinished: string[];
};

/** `beforeState` is a seam for tests: the files have their names, but the state does not list them yet. */
export type FeedDeps = ExportDeps & { beforeState?: () => Promise<void> };

/**
 * The files get their names first, then the state is written. After a crash in between, the state does not list them:
 * the next call removes them and writes their rows again. So no row is lost, and no listed file repeats another. Throws
 * FEED_LOCKED, FEED_STATE_BROKEN, FEED_WENT_BACK, EXPORT_OPTIONS, and what exportDatasets throws.
 */
export function exportFeed(deps: FeedDeps, request: FeedRequest): Promise<FeedExported> {
  const { stateFile } = request;
  return withFileLock(
    `${stateFile}.lock`,
    0,
    (who) => lockedBy(who, stateFile),
    () => goOn(deps, request),
  ).catch((error: unknown) => {
    // The lock is beside the state file: the output folder may not exist, or be full.
    const isOfFiles = error instanceof Error && 'syscall' in error && 'path' in error;
    throw isOfFiles ? outputFailed(stateFile, error) : error;
  });
}

async function goOn(deps: FeedDeps, request: FeedRequest): Promise<FeedExported> {
  const { stateFile, folder, datasets, partition } = request;
  const accounts = request.accounts?.map(({ account_id }) => account_id).toSorted() ?? null;
  const state = await readFeedState(stateFile);
  requireSameForm(state, { accounts, partition });
  const names = await namesIn(folder);
  requireOwnFolder(state, names, folder);
  const exported = await exportDatasets(
    deps,
    {
      ...request,
      since: null,
      until: null,
      snapshotId: null,
      parts: datasets.map((dataset) => ({
        dataset,
        after: (feed) => newRows(state, feed, dataset.name),
        open: async (feed) =>
          openPart(request, dataset, numberOf(state, dataset.name), nextNumber(state, feed, dataset.name)),
      })),
    },
    (feed) => requireSameFeed(state, feed),
  );
  if (exported === null) throw new Error('a feed goes to files');
  const { feed } = exported;
  const started = state ?? beginning(feed, { accounts, partition });
  const unfinished = unfinishedFiles(
    names,
    started,
    datasets.map(({ name }) => name),
  );
  const fresh = exported.written.filter(({ rows }) => rows > 0);
  for (const { output } of exported.written.filter(({ rows }) => rows === 0)) await output.drop();
  // Marks the folder as this feed's before the first file has a name.
  if (state === null) await writeFeedState(stateFile, started);
  for (const name of [...unfinished, ...abandonedFiles(names)])
    await removeFromPartition(path.join(folder, name), folder);
  await keepFiles(fresh);
  await deps.beforeState?.();
  const next = nextState(started, {
    feed,
    datasets: datasets.map(({ name }) => name),
    files: fresh.flatMap(({ rows, output }) =>
      filesOf(output, rows).map((file) => ({ name: nameIn(folder, file.name), rows: file.rows })),
    ),
    there: new Set((await namesIn(folder)).filter(isFeedFile)),
  });
  await writeFeedState(stateFile, next);
  if (!partition) await writeFeedPackage(folder, next.files);
  return { feed, written: fresh, unfinished };
}

function beginning(feed: Feed, form: Pick<FeedState, 'accounts' | 'partition'>): FeedState {
  const one = onlyClock(feed);
  const clocks = new Map(one === null ? [] : [[ONE_FOR_ALL, { epoch: one.epoch, watermarks: {} }]]);
  return { ...form, clocks, numbers: {}, files: [] };
}

function openPart(
  { folder, format, gzip, partition }: FeedRequest,
  { name }: Dataset,
  after: number,
  upTo: number,
) {
  return partition
    ? openPartitions(path.join(folder, name), partitionFileName(after, upTo))
    : openFile(path.join(folder, feedFileName(name, after, upTo, endingOf(format, gzip))));
}

/** With slashes on every system, so that a feed can be read on another one. */
function nameIn(folder: string, file: string): string {
  return path.relative(folder, file).replaceAll(path.sep, '/');
}

function lockedBy(who: string, stateFile: string): OperatorError {
  return new OperatorError({
    code: 'FEED_LOCKED',
    happened: `Another export works with ${stateFile}: ${who}`,
    means: 'Two at once would write the same rows twice, so this one did nothing',
    todo: 'Wait until that export has ended. If it hangs, end that process',
  });
}
