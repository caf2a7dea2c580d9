// How each kind of column is stored in Parquet, and how the bytes of a binary COPY become a value there.
import type { ColumnKind } from '../datasets.ts';
import { addWritten, nextStart, type ColumnValues } from './column-values.ts';
import { boolean, i32, struct, type Field } from './thrift.ts';

type ColumnType = {
  /** The number of the physical type in parquet.thrift. */
  physical: number;
  /** Fields of the SchemaElement: the converted type for old readers, and the logical type. */
  logical: readonly Field[];
  add(values: ColumnValues, bytes: Buffer, start: number, end: number): void;
  /** Negative: the first of two values is lower. Undefined: there are no statistics. */
  compare?: (plain: Buffer, start: number, end: number, otherStart: number, otherEnd: number) => number;
  /** Bytes before a value that are its length. */
  prefix: number;
};

export const BOOLEAN = 0;
const [INT32, INT64, DOUBLE, BYTE_ARRAY] = [1, 2, 5, 6];
const [CONVERTED, LOGICAL] = [6, 10];

/** PostgreSQL counts microseconds from the year 2000. A double does not hold them, so halves are added. */
const EPOCH_MICROS = 946_684_800_000_000;
const EPOCH_HIGH = Math.floor(EPOCH_MICROS / 2 ** 32);
const EPOCH_LOW = EPOCH_MICROS - EPOCH_HIGH * 2 ** 32;

/** A user id is text: Spark, Athena and BigQuery cannot read Parquet's own uuid type, or show bytes. */
const TEXT: ColumnType = {
  physical: BYTE_ARRAY,
  logical: [
    [CONVERTED, i32(0)],
    [LOGICAL, struct([1, struct()])],
  ],
  prefix: 4,
  add(values, bytes, start, end) {
    const length = end - start;
    const at = nextStart(values, 4 + length);
    const { plain } = values;
    plain.writeInt32LE(length, at);
    for (let n = 0; n < length; n++) plain[at + 4 + n] = bytes[start + n]!;
    addWritten(values, at + 4 + length);
  },
  compare: (plain, start, end, otherStart, otherEnd) =>
    plain.compare(plain, otherStart, otherEnd, start, end),
};

const WIDE = {
  physical: INT64,
  logical: [],
  prefix: 0,
  compare: (plain, start, _end, other) =>
    plain.readInt32LE(start + 4) - plain.readInt32LE(other + 4) ||
    plain.readUInt32LE(start) - plain.readUInt32LE(other),
} satisfies Partial<ColumnType>;

export const COLUMN_TYPES: Record<ColumnKind, ColumnType> = {
  text: TEXT,
  outside: TEXT,
  uuid: TEXT,
  time: {
    ...WIDE,
    // TIMESTAMP with isAdjustedToUTC, in microseconds.
    logical: [
      [CONVERTED, i32(10)],
      [LOGICAL, struct([8, struct([1, boolean(true)], [2, struct([2, struct()])])])],
    ],
    add(values, bytes, start) {
      const low = bytes.readUInt32BE(start + 4) + EPOCH_LOW;
      const carry = low >= 2 ** 32 ? 1 : 0;
      addWide(values, bytes.readInt32BE(start) + EPOCH_HIGH + carry, low - carry * 2 ** 32);
    },
  },
  bigint: {
    ...WIDE,
    add: (values, bytes, start) => addWide(values, bytes.readInt32BE(start), bytes.readUInt32BE(start + 4)),
  },
  integer: {
    physical: INT32,
    logical: [],
    prefix: 0,
    add(values, bytes, start) {
      const at = nextStart(values, 4);
      values.plain.writeInt32LE(bytes.readInt32BE(start), at);
      addWritten(values, at + 4);
    },
    compare: (plain, start, _end, other) => plain.readInt32LE(start) - plain.readInt32LE(other),
  },
  double: {
    physical: DOUBLE,
    logical: [],
    prefix: 0,
    add(values, bytes, start) {
      const at = nextStart(values, 8);
      values.plain.writeDoubleLE(bytes.readDoubleBE(start), at);
      addWritten(values, at + 8);
    },
  },
  boolean: {
    physical: BOOLEAN,
    logical: [],
    prefix: 0,
    add(values, bytes, start) {
      const at = nextStart(values, 1);
      values.plain[at] = bytes[start]!;
      addWritten(values, at + 1);
    },
  },
};

function addWide(values: ColumnValues, high: number, low: number): void {
  const at = nextStart(values, 8);
  values.plain.writeUInt32LE(low, at);
  values.plain.writeInt32LE(high, at + 4);
  addWritten(values, at + 8);
}
