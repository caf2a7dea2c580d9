// Writes datasets, all from one snapshot of the database. Memory does not grow with the rows.
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { copyOut } from '../db/copy-out.ts';
import type { Pool, PoolClient } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import { OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import type { Dataset, DatasetName } from './datasets.ts';
import { encodeParquet } from './encode-parquet.ts';
import { outputFailed, type Output } from './output.ts';
import type { Partitions } from './partitions.ts';
import { writePartitions } from './write-partitions.ts';
import { chooseSnapshots } from './choose-snapshots.ts';
import { readFeed, type Feed } from './read-clocks.ts';
import { copyStatement, type After, type ExportFormat, type Rows } from './select-rows.ts';

export type ExportRequest = Omit<Rows, 'after' | 'snapshots' | 'partition'> & {
  parts: readonly {
    dataset: Dataset;
    /** Null: nothing can be new. */
    after: (feed: Feed) => After | null;
    open: (feed: Feed) => Promise<Output | Partitions>;
  }[];
  /** For snapshot-users. Null: the newest of each account. */
  snapshotId: number | null;
  format: ExportFormat;
  gzip: boolean;
  forPeople: boolean;
};

export type Written = { dataset: DatasetName; rows: number; bytes: number; output: Output | Partitions };
export type Exported = { feed: Feed; written: Written[] };

export type ExportDeps = {
  pool: Pool;
  signal: AbortSignal;
  /** Bytes of this dataset so far, before compression. */
  onProgress: (dataset: DatasetName, bytes: number) => void;
};

const LOCK_MS = 60_000;

/**
 * The files have no names yet: keepAll() gives them. Null: the standard output was closed. `check` may refuse the feed
 * before anything is read. Throws DATABASE_PERMISSION, OUTPUT_FAILED, SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, the
 * signal's reason, and what `check` throws.
 *
 * The feed value is the clock's own, as the same snapshot of the database sees it. A transaction that takes a value
 * locks the clock's row until it ends. So every row with a value up to this one is visible, and no other row is. The
 * highest value of the exported rows would be wrong: a row may be erased or written again, and a quiet dataset or
 * account has an old one.
 */
export async function exportDatasets(
  deps: ExportDeps,
  request: ExportRequest,
  check: (feed: Feed) => void,
): Promise<Exported | null> {
  const written: Written[] = [];
  try {
    return await readOnly(deps.pool, { statementMs: 0, lockMs: LOCK_MS }, async (tx, client) => {
      const ids = request.accounts?.map(({ account_id }) => account_id) ?? null;
      const feed = await readFeed(tx, ids);
      check(feed);
      const isOfSnapshots =
        request.snapshotId !== null || request.parts.some(({ dataset }) => dataset.isSnapshot === true);
      const snapshots = isOfSnapshots ? await chooseSnapshots(tx, request) : [];
      for (const part of request.parts) {
        deps.signal.throwIfAborted();
        const after = part.after(feed);
        if (after === null) continue;
        const output = await part.open(feed);
        const one: Written = { dataset: part.dataset.name, rows: 0, bytes: 0, output };
        written.push(one);
        const partition = !('stream' in output);
        const rows = { ...request, snapshots, after, partition };
        const statement = copyStatement(part.dataset, rows, request.format, request.forPeople);
        if (partition) await copyToPartitions(deps, client, statement, one, part.dataset, output);
        else
          await copyTo(deps, client, statement, one, output, { ...request, columns: part.dataset.columns });
      }
      return { feed, written };
    });
  } catch (error) {
    for (const { output } of written) await output.drop();
    if (error instanceof OutputGone) return null;
    throw deniedOr(error);
  }
}

/** Gives every file its name. */
export async function keepFiles(written: readonly Written[]): Promise<void> {
  try {
    for (const { output } of written) await output.keep();
  } finally {
    for (const { output } of written) await output.drop();
  }
}

/** The files of one dataset. */
export function filesOf(
  output: Output | Partitions,
  rows: number,
): readonly { name: string; rows: number }[] {
  return 'files' in output ? output.files() : [{ name: output.name, rows }];
}

async function copyTo(
  { signal, onProgress }: ExportDeps,
  client: PoolClient,
  statement: string,
  one: Written,
  { name, stream, isShared }: Output,
  { format, gzip, columns }: Pick<ExportRequest, 'format' | 'gzip'> & Pick<Dataset, 'columns'>,
): Promise<void> {
  // A pipeline ends all its streams with the error of the one that failed. So only the first failure shows which stream
  // it was.
  let failure: { of: 'reading' | 'writing'; error: unknown } | undefined;
  const failed = (error: unknown) => (failure ??= { of: 'writing', error });
  stream.on('error', failed);
  const copy = copyOut(client, statement);
  copy.stream.on('error', (error) => (failure ??= { of: 'reading', error }));
  const options = { signal, end: !isShared };
  const count = counted((bytes) => onProgress(one.dataset, (one.bytes += bytes)));
  try {
    await (format === 'parquet'
      ? pipeline(copy.stream, encodeParquet(columns), count, stream, options)
      : gzip
        ? pipeline(copy.stream, count, createGzip(), stream, options)
        : pipeline(copy.stream, count, stream, options));
    // The number of rows arrives with the end of the statement, and the next statement waits for that.
    await client.query('select');
    one.rows = copy.rowCount();
  } catch (error) {
    signal.throwIfAborted();
    if (failure?.of !== 'writing') throw error;
    throw isShared ? new OutputGone() : outputFailed(name, failure.error);
  } finally {
    copy.close();
    stream.off('error', failed);
  }
}

async function copyToPartitions(
  { signal, onProgress }: ExportDeps,
  client: PoolClient,
  statement: string,
  one: Written,
  { columns }: Dataset,
  partitions: Partitions,
): Promise<void> {
  const copy = copyOut(client, statement);
  const stop = () => copy.stream.destroy();
  signal.addEventListener('abort', stop);
  try {
    const onBytes = (bytes: number) => onProgress(one.dataset, (one.bytes += bytes));
    await writePartitions(copy.stream as AsyncIterable<Buffer>, columns, partitions, onBytes);
    signal.throwIfAborted();
    await client.query('select');
    one.rows = copy.rowCount();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    copy.stream.destroy();
    copy.close();
  }
}

/** For pipeline(): reports how many bytes pass. */
function counted(onBytes: (bytes: number) => void) {
  return async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      onBytes(chunk.length);
      yield chunk;
    }
  };
}

/** The standard output failed. main.ts reports it, unless its reader just stopped early. */
class OutputGone extends Error {
  override readonly name = 'OutputGone';
}

function deniedOr(error: unknown): unknown {
  const root = rootCause(error) as { code?: unknown } | null;
  if (root?.code !== '42501') return error;
  return new OperatorError({
    code: 'DATABASE_PERMISSION',
    happened: 'The database role may not read one of these datasets',
    means: 'Nothing was exported',
    todo: 'Use a login in the role risk_reader, or risk_pii_reader for emails and names (`zt-risk-sync migrate --roles`)',
    cause: error,
  });
}
