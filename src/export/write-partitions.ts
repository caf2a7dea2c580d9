// A dataset as folders account=…/date=…, which Spark, Trino, DuckDB, Athena and BigQuery read as one table. The rows come
// sorted by these two, so that one file is open at a time.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { OperatorError } from '../errors.ts';
import { binaryRows } from './binary-rows.ts';
import type { Column } from './datasets.ts';
import { parquetFile, type ParquetFile } from './parquet/encode-parquet.ts';
import { openFile, orOutputFailed, type Output } from './output.ts';

/** A folder of files. They get their names together, in the end. */
export type Partitions = Pick<Output, 'name' | 'keep' | 'drop'> & {
  /** The next bytes of the file of a partition, "account=…/date=…". */
  write(partition: string, bytes: Uint8Array): Promise<void>;
  /** No bytes follow. */
  end(): Promise<void>;
};

/** Throws EXPORT_OPTIONS when the folder holds something: files of another export would count as rows of this one. */
export async function openPartitions(folder: string): Promise<Partitions> {
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (there.length > 0) throw notEmpty(folder);
  const outputs: Output[] = [];
  let open: { partition: string; output: Output } | undefined;
  async function end(): Promise<void> {
    if (open === undefined) return;
    const { stream } = open.output;
    const closed = new Promise<void>((resolve, reject) => stream.on('error', reject).on('close', resolve));
    stream.end();
    open = undefined;
    await orOutputFailed(folder, closed);
  }
  return {
    name: folder,
    async write(partition, bytes) {
      if (open?.partition !== partition) {
        await end();
        const output = await openFile(path.join(folder, partition, 'rows.parquet'));
        outputs.push(output);
        open = { partition, output };
      }
      const { stream } = open.output;
      const written = new Promise<void>((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
      await orOutputFailed(folder, written);
    },
    end,
    async keep() {
      for (const output of outputs) await output.keep();
    },
    async drop() {
      open?.output.stream.destroy();
      for (const output of outputs) await output.drop();
      // Folders of files that never got a name. Node does not remove one that holds something.
      await removeEmpty(folder);
    },
  };
}

/** Returns the chunks of a COPY whose rows end with account and date. */
export async function writePartitions(
  source: AsyncIterable<Buffer>,
  columns: readonly Column[],
  partitions: Partitions,
): Promise<void> {
  let file: ParquetFile | undefined;
  let [partition, account, date] = ['', '', ''];
  const fields: [number, Buffer, number, number][] = [];
  const ready: { partition: string; bytes: Uint8Array }[] = [];
  const flush = (isWhole: boolean) => {
    if (file === undefined) return;
    if (isWhole) file.finish();
    for (const bytes of file.take()) ready.push({ partition, bytes });
  };
  const take = binaryRows({
    field(n, bytes, start, end) {
      if (n < columns.length) fields.push([n, bytes, start, end]);
      else if (n === columns.length) account = bytes.toString('utf8', start, end);
      else date = start < 0 ? '' : `/date=${bytes.toString('utf8', start, end)}`;
    },
    row() {
      const of = `account=${encodeURIComponent(account)}${date}`;
      if (of !== partition || file === undefined) {
        flush(true);
        file = parquetFile(columns);
        partition = of;
      }
      for (const field of fields) file.field(...field);
      fields.length = 0;
      file.row();
    },
  });
  const writeReady = async () => {
    for (const { partition: to, bytes } of ready.splice(0)) await partitions.write(to, bytes);
  };
  for await (const chunk of source) {
    take(chunk);
    flush(false);
    await writeReady();
  }
  flush(true);
  await writeReady();
  await partitions.end();
}

async function removeEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeEmpty(path.join(folder, entry.name));
  if ((await readdir(folder).catch(() => ['?'])).length === 0) await rm(folder, { recursive: true });
}

function notEmpty(folder: string): OperatorError {
  return new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: `${folder} is not empty`,
    means:
      'A reader takes every file below it for rows of one table, so rows could count twice. Nothing was exported',
    todo: 'Give a new folder, or empty this one',
  });
}
