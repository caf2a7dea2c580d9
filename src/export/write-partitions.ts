// Writes a dataset as Parquet files, one for each account and day. The rows arrive sorted by these two, so memory and
// open files are the same as for one file.
import { binaryRows } from './binary-rows.ts';
import type { DatasetColumn } from './datasets.ts';
import { parquetFile } from './encode-parquet.ts';
import type { Partitions } from './partitions.ts';

type Ready = { partition: string; bytes: Uint8Array; endsWith: number | null };

/** `source`: the chunks of a COPY whose rows end with account and date. */
export async function writePartitions(
  source: AsyncIterable<Buffer>,
  columns: readonly DatasetColumn[],
  partitions: Partitions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const cutter = cutPartitions(columns);
  const take = binaryRows(cutter);
  for await (const chunk of source) {
    take(chunk);
    await write(cutter.ready());
  }
  cutter.finish();
  await write(cutter.ready());
  async function write(ready: readonly Ready[]): Promise<void> {
    for (const { partition, bytes, endsWith } of ready) {
      if (bytes.length > 0) {
        await partitions.write(partition, bytes);
        onBytes(bytes.length);
      }
      if (endsWith !== null) await partitions.end(endsWith);
    }
  }
}

/** Takes the fields of rows, and yields the bytes of one file after the other. */
function cutPartitions(columns: readonly DatasetColumn[]) {
  const file = parquetFile(columns);
  let [partition, account, date, rows] = ['', '', '', 0];
  // The file of a row is known only after its last field.
  const fields: [number, Buffer, number, number][] = [];
  let whole: Ready[] = [];
  function finish(): void {
    if (rows === 0) return;
    file.finish();
    whole.push({ partition, bytes: file.take(), endsWith: rows });
    rows = 0;
  }
  return {
    field(n: number, bytes: Buffer, start: number, end: number): void {
      if (n < columns.length) fields.push([n, bytes, start, end]);
      else if (n === columns.length) account = bytes.toString('utf8', start, end);
      else date = start < 0 ? '' : `/date=${bytes.toString('utf8', start, end)}`;
    },
    row(): void {
      const of = `account=${encodeURIComponent(account)}${date}`;
      if (of !== partition) finish();
      partition = of;
      for (const field of fields) file.field(...field);
      fields.length = 0;
      file.row();
      rows++;
    },
    finish,
    ready(): readonly Ready[] {
      const ready = [...whole, { partition, bytes: file.take(), endsWith: null }];
      whole = [];
      return ready;
    },
  };
}
