// Converts a binary COPY into a Parquet file, one row group after the other, so that memory holds one group.
import { zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { VERSION } from '../version.ts';
import { binaryRows } from './binary-rows.ts';
import { columnCells } from './column-cells.ts';
import type { DatasetColumn, ColumnKind } from './datasets.ts';

/**
 * The library holds every value of a group several times: a million rows of activity take 140 MB. Groups of 10,000 rows
 * take 157 MB, and make files a sixteenth smaller.
 */
const GROUP_ROWS = 5_000;

type Element = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

/** Takes fields in the order of the columns, and a row after its last field. `take` gives the bytes so far. */
export type ParquetFile = {
  field(column: number, bytes: Buffer, start: number, end: number): void;
  row(): void;
  take(): Uint8Array;
  /** No rows follow. The next row begins another file. */
  finish(): void;
};

export function parquetFile(columns: readonly DatasetColumn[]): ParquetFile {
  const cells = columns.map(({ kind }) => columnCells(kind, GROUP_ROWS));
  const ready = new ByteWriter();
  // Opened late, because it writes the first bytes of its file at once.
  let writer: ParquetWriter | undefined;
  let rows = 0;
  let viewed: Buffer | undefined;
  let view: DataView = new DataView(ready.buffer);
  function writeGroup(): void {
    const columnData = columns.map(({ name, kind }, n) => ({
      name,
      data: cells[n]!.take(),
      statistics: HAS_STATISTICS[kind],
    }));
    writer ??= openWriter(ready, columns);
    void writer.write({ columnData, rowGroupSize: GROUP_ROWS });
    rows = 0;
  }
  return {
    field(n, bytes, start, end) {
      if (viewed !== bytes) {
        viewed = bytes;
        view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      }
      if (start < 0) cells[n]!.addNull();
      else cells[n]!.add(view, bytes, start, end);
    },
    row() {
      if (++rows === GROUP_ROWS) writeGroup();
    },
    take: () => drain(ready),
    finish() {
      if (rows > 0) writeGroup();
      writer ??= openWriter(ready, columns);
      void writer.finish();
      writer = undefined;
    },
  };
}

function openWriter(writer: ByteWriter, columns: readonly DatasetColumn[]): ParquetWriter {
  writer.offset = 0;
  return new ParquetWriter({
    writer,
    schema: [{ name: 'root', num_children: columns.length }, ...columns.map(elementOf)],
    codec: 'ZSTD',
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    createdBy: `zt-risk-sync version ${VERSION}`,
  });
}

/** For pipeline(): takes the chunks of the COPY, and yields the bytes of the file. */
export function encodeParquet(columns: readonly DatasetColumn[]) {
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

/** A copy of the right size, because the writer reuses the same memory. A new writer would have to grow each time. */
function drain(writer: ByteWriter): Uint8Array {
  const bytes = writer.getBytes().slice();
  writer.index = 0;
  return bytes;
}

/**
 * Statistics of a text are of little use: ids are random, and every group has every level. They would also put emails
 * and names into the footer.
 */
const HAS_STATISTICS: Record<ColumnKind, boolean> = {
  text: false,
  outside: false,
  uuid: false,
  time: true,
  integer: true,
  bigint: true,
  double: true,
  boolean: false,
};

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

function elementOf({ name, kind }: DatasetColumn): Element {
  return { name, repetition_type: 'OPTIONAL', ...ELEMENTS[kind] };
}
