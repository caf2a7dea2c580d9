// One column of one row group as bytes: a page with the distinct values if that is shorter, then one page of data.
import { zstdCompressSync } from 'node:zlib';
import type { Column } from '../datasets.ts';
import { BOOLEAN, COLUMN_TYPES } from './column-types.ts';
import { NONE, type ColumnValues } from './column-values.ts';
import { bitWidthOf, oneRun, packBits, packRuns } from './pack-bits.ts';
import { binary, i32, i64, list, struct, thrift, type Field, type ThriftValue } from './thrift.ts';

/** `meta` goes into the footer. `size` is before compression. */
export type ColumnChunk = { bytes: Uint8Array[]; length: number; size: number; meta: ThriftValue };

const [DATA_PAGE, DICTIONARY_PAGE] = [0, 2];
const [PLAIN, RLE, RLE_DICTIONARY] = [0, 3, 8];
const ZSTD = 6;
/** Statistics repeat a value in the footer. A longer one would make it large, and says little. */
const LONGEST_STATISTIC = 64;

/** `offset`: where the chunk begins in the file. */
export function columnChunk({ name, kind }: Column, values: ColumnValues, offset: number): ColumnChunk {
  const { physical } = COLUMN_TYPES[kind];
  const isDictionary = physical !== BOOLEAN && isShorter(values);
  const dictionary = isDictionary ? dictionaryPage(values) : null;
  const data = dataPage(values, physical === BOOLEAN ? 'bits' : isDictionary ? 'numbers' : 'values');
  const pages = dictionary === null ? [data] : [dictionary, data];
  const length = sum(pages.map((page) => page.length));
  const size = sum(pages.map((page) => page.size));
  const dataAt = offset + (dictionary?.length ?? 0);
  const meta = struct(
    [1, i32(physical)],
    [2, list('i32', (isDictionary ? [PLAIN, RLE, RLE_DICTIONARY] : [PLAIN, RLE]).map(i32))],
    [3, list('binary', [binary(name)])],
    [4, i32(ZSTD)],
    [5, i64(values.rowCount)],
    [6, i64(size)],
    [7, i64(length)],
    [9, i64(dataAt)],
    [11, isDictionary ? i64(offset) : undefined],
    [12, struct(...statistics(kind, values))],
  );
  return {
    bytes: pages.flatMap(({ bytes }) => bytes),
    length,
    size,
    meta: struct([2, i64(offset)], [3, meta]),
  };
}

/** Numbers instead of values, and the values once. Compression does the rest, so it must be shorter by half. */
function isShorter({ starts, distinct, rows, rowCount }: ColumnValues): boolean {
  let whole = 0;
  for (let n = 0; n < rowCount; n++) {
    const value = rows[n]!;
    if (value !== NONE) whole += starts[value + 1]! - starts[value]!;
  }
  return distinct > 0 && 2 * starts[distinct]! < whole;
}

type Page = { bytes: Uint8Array[]; length: number; size: number };

function page(type: number, content: Uint8Array, header: Field): Page {
  const compressed = zstdCompressSync(content);
  const head = thrift([1, i32(type)], [2, i32(content.length)], [3, i32(compressed.length)], header);
  return {
    bytes: [head, compressed],
    length: head.length + compressed.length,
    size: head.length + content.length,
  };
}

function dictionaryPage({ plain, starts, distinct }: ColumnValues): Page {
  const header = struct([1, i32(distinct)], [2, i32(PLAIN)]);
  return page(DICTIONARY_PAGE, plain.subarray(0, starts[distinct]), [7, header]);
}

function dataPage(values: ColumnValues, as: 'bits' | 'numbers' | 'values'): Page {
  const header = struct(
    [1, i32(values.rowCount)],
    [2, i32(as === 'numbers' ? RLE_DICTIONARY : PLAIN)],
    [3, i32(RLE)],
    [4, i32(RLE)],
  );
  const content = Buffer.concat([...levels(values), ...CONTENT[as](values, present(values))]);
  return page(DATA_PAGE, content, [5, header]);
}

/** For each row, whether it has a value. */
function levels({ rows, rowCount, nullCount }: ColumnValues): Uint8Array[] {
  const packed =
    nullCount === 0
      ? oneRun(1, rowCount)
      : packRuns(
          rows.subarray(0, rowCount).map((value) => (value === NONE ? 0 : 1)),
          rowCount,
          1,
        );
  const length = Buffer.alloc(4);
  length.writeInt32LE(packed.length);
  return [length, packed];
}

function present({ rows, rowCount, nullCount }: ColumnValues): Int32Array {
  const all = rows.subarray(0, rowCount);
  return nullCount === 0 ? all : all.filter((value) => value !== NONE);
}

const CONTENT: Record<
  'bits' | 'numbers' | 'values',
  (values: ColumnValues, rows: Int32Array) => Uint8Array[]
> = {
  bits({ plain }, rows) {
    const out = Buffer.alloc(Math.ceil(rows.length / 8));
    packBits(
      rows.map((value) => plain[value]!),
      0,
      rows.length,
      1,
      out,
      0,
    );
    return [out];
  },
  numbers({ distinct }, rows) {
    const width = bitWidthOf(distinct - 1);
    return [Uint8Array.of(width), packRuns(rows, rows.length, width)];
  },
  values({ plain, starts, distinct }, rows) {
    // Every row has a value of its own, so they stand there in the order of the rows.
    if (distinct === rows.length) return [plain.subarray(0, starts[distinct])];
    let length = 0;
    for (const value of rows) length += starts[value + 1]! - starts[value]!;
    const out = Buffer.alloc(length);
    let at = 0;
    for (const value of rows) at += plain.copy(out, at, starts[value], starts[value + 1]);
    return [out];
  },
};

function statistics(kind: Column['kind'], { plain, starts, distinct, nullCount }: ColumnValues): Field[] {
  const { compare, prefix } = COLUMN_TYPES[kind];
  const nulls: Field = [3, i64(nullCount)];
  if (compare === undefined || distinct === 0) return [nulls];
  const [startOf, endOf] = [
    (value: number) => starts[value]! + prefix,
    (value: number) => starts[value + 1]!,
  ];
  const order = (value: number, other: number) =>
    compare(plain, startOf(value), endOf(value), startOf(other), endOf(other));
  let [low, high] = [0, 0];
  for (let value = 1; value < distinct; value++) {
    if (order(value, low) < 0) low = value;
    if (order(value, high) > 0) high = value;
  }
  const of = (value: number) => plain.subarray(startOf(value), endOf(value));
  if (Math.max(of(low).length, of(high).length) > LONGEST_STATISTIC) return [nulls];
  return [nulls, [5, binary(of(high))], [6, binary(of(low))]];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
