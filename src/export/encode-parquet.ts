// A binary COPY becomes a Parquet file, one row group after the other, so that memory holds one group.
import { zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { VERSION } from '../version.ts';
import { binaryRows } from './binary-rows.ts';
import type { Column, ColumnKind } from './datasets.ts';

/** Readers skip whole groups by their statistics. With 50,000 rows, files are a tenth smaller, and memory grows. */
const GROUP_ROWS = 20_000;
/** PostgreSQL counts microseconds from the year 2000. */
const EPOCH_MICROS = 946_684_800_000_000n;

type Value = string | number | bigint | boolean | null;
type Element = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

/** One file: fields in the order of the columns, a row after each last field. `take` gives the bytes so far. */
export type ParquetFile = {
  field(column: number, bytes: Buffer, start: number, end: number): void;
  row(): void;
  take(): Uint8Array;
  finish(): void;
};

export function parquetFile(columns: readonly Column[]): ParquetFile {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: [{ name: 'root', num_children: columns.length }, ...columns.map(elementOf)],
    codec: 'ZSTD',
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    createdBy: `zt-risk-sync version ${VERSION}`,
  });
  const decoders = columns.map(({ kind }) => DECODERS[kind]);
  let values: Value[][] = columns.map(() => []);
  let rows = 0;
  function writeGroup(): void {
    const columnData = columns.map(({ name }, n) => ({ name, data: values[n]! }));
    void parquet.write({ columnData, rowGroupSize: GROUP_ROWS });
    values = columns.map(() => []);
    rows = 0;
  }
  return {
    field(n, bytes, start, end) {
      values[n]!.push(start < 0 ? null : decoders[n]!(bytes, start, end));
    },
    row() {
      if (++rows === GROUP_ROWS) writeGroup();
    },
    take: () => drain(writer),
    finish() {
      if (rows > 0) writeGroup();
      void parquet.finish();
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
      const bytes = file.take();
      if (bytes.length > 0) yield bytes;
    }
    file.finish();
    yield file.take();
  };
}

/** A copy, because the writer goes on in the same memory. */
function drain(writer: ByteWriter): Uint8Array {
  const bytes = writer.getBytes().slice();
  writer.index = 0;
  return bytes;
}

/** A user id is text: Spark, Athena and BigQuery cannot read Parquet's own uuid type, or show bytes. */
const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;

const ELEMENTS: Record<ColumnKind, Omit<Element, 'name'>> = {
  text: TEXT,
  outside: TEXT,
  uuid: TEXT,
  time: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
  integer: { type: 'INT32' },
  bigint: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
};

function elementOf({ name, kind }: Column): Element {
  return { name, repetition_type: 'OPTIONAL', ...ELEMENTS[kind] };
}

const text = (bytes: Buffer, start: number, end: number): Value => bytes.toString('utf8', start, end);

const DECODERS: Record<ColumnKind, (bytes: Buffer, start: number, end: number) => Value> = {
  text,
  outside: text,
  uuid: text,
  time: (bytes, start) => bytes.readBigInt64BE(start) + EPOCH_MICROS,
  integer: (bytes, start) => bytes.readInt32BE(start),
  bigint: (bytes, start) => bytes.readBigInt64BE(start),
  double: (bytes, start) => bytes.readDoubleBE(start),
  boolean: (bytes, start) => bytes[start] === 1,
};
