// A binary COPY becomes a Parquet file, one row group after the other, so that memory holds one group. The format is
// https://github.com/apache/parquet-format, with pages of version 1, which every reader knows.
import { VERSION } from '../../version.ts';
import { binaryRows } from '../binary-rows.ts';
import type { Column } from '../datasets.ts';
import { columnChunk } from './column-chunk.ts';
import { COLUMN_TYPES } from './column-types.ts';
import { addNull, clearValues, noValues } from './column-values.ts';
import { binary, encoded, i32, i64, list, struct, thrift } from './thrift.ts';

/** Readers skip whole groups by their statistics. With 50,000 rows, files are a seventieth smaller, and memory grows. */
const GROUP_ROWS = 20_000;
const MAGIC = Buffer.from('PAR1');

/** Fields in the order of the columns, a row after each last field. `take` gives the bytes so far. */
export type ParquetFile = {
  field(column: number, bytes: Buffer, start: number, end: number): void;
  row(): void;
  take(): Uint8Array[];
  /** No rows follow. The next row begins another file. */
  finish(): void;
};

export function parquetFile(columns: readonly Column[]): ParquetFile {
  const types = columns.map(({ kind }) => COLUMN_TYPES[kind]);
  const values = columns.map(noValues);
  let ready: Uint8Array[] = [];
  let offset = 0;
  let groups: Uint8Array[] = [];
  let rowsOfGroup = 0;
  let rows = 0;
  function put(...bytes: Uint8Array[]): void {
    if (offset === 0) bytes.unshift(MAGIC);
    ready.push(...bytes);
    for (const { length } of bytes) offset += length;
  }
  function writeGroup(): void {
    if (offset === 0) put();
    const chunks = columns.map((column, n) => {
      const chunk = columnChunk(column, values[n]!, offset);
      clearValues(values[n]!);
      put(...chunk.bytes);
      return chunk;
    });
    groups.push(groupMeta(chunks, rowsOfGroup));
    rows += rowsOfGroup;
    rowsOfGroup = 0;
  }
  return {
    field(n, bytes, start, end) {
      if (start < 0) addNull(values[n]!);
      else types[n]!.add(values[n]!, bytes, start, end);
    },
    row() {
      if (++rowsOfGroup === GROUP_ROWS) writeGroup();
    },
    take() {
      const bytes = ready;
      ready = [];
      return bytes;
    },
    finish() {
      if (rowsOfGroup > 0) writeGroup();
      put(...footer(columns, rows, groups), MAGIC);
      [offset, rows, groups] = [0, 0, []];
    },
  };
}

/** For pipeline(): takes the chunks of the COPY, and gives the bytes of the file. */
export function encodeParquet(columns: readonly Column[]) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
    const file = parquetFile(columns);
    const take = binaryRows(file);
    for await (const chunk of source) {
      take(chunk);
      yield* file.take();
    }
    file.finish();
    yield* file.take();
  };
}

/** Encoded at once: a large file has thousands of groups. */
function groupMeta(chunks: readonly ReturnType<typeof columnChunk>[], rows: number): Uint8Array {
  const sum = (of: 'size' | 'length') => i64(chunks.reduce((total, chunk) => total + chunk[of], 0));
  return thrift(
    [
      1,
      list(
        'struct',
        chunks.map(({ meta }) => meta),
      ),
    ],
    [2, sum('size')],
    [3, i64(rows)],
    [6, sum('length')],
  );
}

function footer(columns: readonly Column[], rows: number, groups: readonly Uint8Array[]): Uint8Array[] {
  const root = struct([4, binary('root')], [5, i32(columns.length)]);
  const elements = columns.map(({ name, kind }) => {
    const { physical, logical } = COLUMN_TYPES[kind];
    return struct([1, i32(physical)], [3, i32(1)], [4, binary(name)], ...logical);
  });
  // Statistics of text count only if the order is said.
  const orders = columns.map(() => struct([1, struct()]));
  const meta = thrift(
    [1, i32(1)],
    [2, list('struct', [root, ...elements])],
    [3, i64(rows)],
    [4, list('struct', groups.map(encoded))],
    [6, binary(`zt-risk-sync version ${VERSION}`)],
    [7, list('struct', orders)],
  );
  const length = Buffer.alloc(4);
  length.writeInt32LE(meta.length);
  return [meta, length];
}
