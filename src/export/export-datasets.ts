// Writes datasets, all from one snapshot of the database. Memory does not grow with the rows.
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { sql } from 'drizzle-orm';
import { copyOut } from '../db/copy-out.ts';
import type { Pool, PoolClient } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import type { Transaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import type { Dataset, DatasetName } from './datasets.ts';
import { encodeParquet } from './encode-parquet.ts';
import { outputFailed, type Output } from './output.ts';
import { writePartitions, type Partitions } from './write-partitions.ts';
import { copyStatement, type Format, type Rows } from './select-rows.ts';

export type ExportRequest = Omit<Rows, 'after'> & {
  /** `open` may return null: nothing can be new. */
  parts: readonly {
    dataset: Dataset;
    after: number;
    open: (feed: Feed) => Promise<Output | Partitions | null>;
  }[];
  format: Format;
  gzip: boolean;
  forPeople: boolean;
};

/** How far the history is, and which one it is. */
export type Feed = {
  feedId: number;
  epoch: string;
  /** Epochs that this history continues, and up to which value each is good: risk_bi.feed_epochs. */
  earlier: ReadonlyMap<string, number>;
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
 * The files have no names yet: keepAll() gives them. Null: the standard output is gone. `check` may refuse the feed before anything is
 * read. Throws DATABASE_PERMISSION, OUTPUT_FAILED, SNAPSHOT_NOT_FOUND, the signal's reason, and what `check` throws.
 *
 * The feed value is the clock's own, as the same snapshot of the database sees it. The clock's row is locked until its
 * transaction ends. So whatever has a value up to this one is visible, and nothing else is. The highest value of the
 * exported rows would be wrong: a row may be erased or written again, and a quiet dataset or account has an old one.
 */
export async function exportDatasets(
  deps: ExportDeps,
  request: ExportRequest,
  check: (feed: Feed) => void,
): Promise<Exported | null> {
  const written: Written[] = [];
  try {
    return await readOnly(deps.pool, { statementMs: 0, lockMs: LOCK_MS }, async (tx, client) => {
      const feed = await readFeed(tx);
      check(feed);
      await requireSnapshot(tx, request.snapshotId);
      for (const part of request.parts) {
        deps.signal.throwIfAborted();
        const output = await part.open(feed);
        if (output === null) continue;
        const one: Written = { dataset: part.dataset.name, rows: 0, bytes: 0, output };
        written.push(one);
        const partition = !('stream' in output);
        const rows = { ...request, after: part.after, partition };
        const statement = copyStatement(part.dataset, rows, request.format, request.forPeople);
        if (partition) await copyToPartitions(deps, client, statement, one, part.dataset, output);
        else await copyTo(deps, client, statement, one, output, encoderOf(request, part.dataset));
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
export async function keepAll(written: readonly Written[]): Promise<void> {
  try {
    for (const { output } of written) await output.keep();
  } finally {
    for (const { output } of written) await output.drop();
  }
}

export async function readFeed(tx: Transaction): Promise<Feed> {
  const { rows } = await tx.execute<{ id: number; epoch: string; earlier: Record<string, number> }>(
    sql`select feed_id::float8 as id, epoch, (select json_object_agg(epoch, good_up_to) from risk_bi.feed_epochs) as earlier
      from risk_bi.feed_clock`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the feed clock has no row');
  return { feedId: row.id, epoch: row.epoch, earlier: new Map(Object.entries(row.earlier)) };
}

async function copyTo(
  { signal, onProgress }: ExportDeps,
  client: PoolClient,
  statement: string,
  one: Written,
  { name, stream, isShared }: Output,
  encode: Encoder,
): Promise<void> {
  // A pipeline ends all its streams with the error of the one that failed: only the first to fail says which it was.
  let failure: { of: 'reading' | 'writing'; error: unknown } | undefined;
  const failed = (error: unknown) => (failure ??= { of: 'writing', error });
  stream.on('error', failed);
  const copy = copyOut(client, statement);
  copy.stream.on('error', (error) => (failure ??= { of: 'reading', error }));
  const options = { signal, end: !isShared };
  try {
    const done =
      encode === null
        ? pipeline(copy.stream, stream, options)
        : pipeline(copy.stream, encode, stream, options);
    copy.stream.on('data', (chunk: Buffer) => {
      one.bytes += chunk.length;
      onProgress(one.dataset, one.bytes);
    });
    await done;
    // The number of rows comes with the end of the statement, which the next one waits for.
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
    copy.stream.on('data', (chunk: Buffer) => {
      one.bytes += chunk.length;
      onProgress(one.dataset, one.bytes);
    });
    await writePartitions(copy.stream as AsyncIterable<Buffer>, columns, partitions);
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

/** What becomes of the bytes of the COPY; null: they are the file. */
type Encoder = ReturnType<typeof createGzip> | ReturnType<typeof encodeParquet> | null;

function encoderOf({ format, gzip }: ExportRequest, { columns }: Dataset): Encoder {
  if (format === 'parquet') return encodeParquet(columns);
  return gzip ? createGzip() : null;
}

/** The standard output failed. main.ts says so, unless its reader just stopped early. */
class OutputGone extends Error {
  override readonly name = 'OutputGone';
}

async function requireSnapshot(tx: Transaction, id: number | null): Promise<void> {
  if (id === null) return;
  const { rows } = await tx.execute(sql`select 1 from risk.snapshots where snapshot_id = ${id}`);
  if (rows.length > 0) return;
  throw new OperatorError({
    code: 'SNAPSHOT_NOT_FOUND',
    happened: `There is no snapshot ${id}`,
    means: 'Nothing was exported',
    todo: 'Take the id from `zt-risk-sync export snapshots`',
  });
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
