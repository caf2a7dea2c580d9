// The values of one column until they are written: numbers in a typed array, texts as their bytes. With a string or a
// bigint for each cell, a million rows of activity took 3.3 s of CPU instead of 1.8 s, mostly for collecting garbage.
import type { ColumnKind } from './datasets.ts';

type Numbers = BigInt64Array | Int32Array | Float64Array;
type Value = Uint8Array | bigint | number | boolean | null;

export type ColumnCells = {
  /** `view` is of `bytes`. */
  add(view: DataView, bytes: Buffer, start: number, end: number): void;
  addNull(): void;
  /** All cells added since the last call. They are valid until the next add(). */
  take(): Numbers | Value[];
};

/** `rows`: the maximum number of rows between two calls of take(). */
export function columnCells(kind: ColumnKind, rows: number): ColumnCells {
  return CELLS[kind](rows);
}

/** PostgreSQL counts microseconds from the year 2000. */
const EPOCH_MICROS = 946_684_800_000_000n;

const CELLS: Record<ColumnKind, (rows: number) => ColumnCells> = {
  text: () => texts(KNOWN),
  outside: () => texts(0),
  uuid: () => texts(0),
  boolean,
  time(rows) {
    const values = new BigInt64Array(rows);
    return numbers(values, (view, at, row) => (values[row] = view.getBigInt64(at) + EPOCH_MICROS));
  },
  bigint(rows) {
    const values = new BigInt64Array(rows);
    return numbers(values, (view, at, row) => (values[row] = view.getBigInt64(at)));
  },
  integer(rows) {
    const values = new Int32Array(rows);
    return numbers(values, (view, at, row) => (values[row] = view.getInt32(at)));
  },
  double(rows) {
    const values = new Float64Array(rows);
    return numbers(values, (view, at, row) => (values[row] = view.getFloat64(at)));
  },
};

function numbers(values: Numbers, set: (view: DataView, at: number, row: number) => void): ColumnCells {
  const isNull = new Uint8Array(values.length);
  let [rows, nulls] = [0, 0];
  return {
    add(view, _bytes, start) {
      set(view, start, rows++);
    },
    addNull() {
      isNull[rows++] = 1;
      nulls++;
    },
    take() {
      const taken = values.subarray(0, rows);
      const hasNulls = nulls > 0;
      [rows, nulls] = [0, 0];
      if (!hasNulls) return taken;
      const withNulls = Array.from<number | bigint, Value>(taken, (value, row) =>
        isNull[row] === 1 ? null : value,
      );
      isNull.fill(0);
      return withNulls;
    },
  };
}

function boolean(): ColumnCells {
  let values: Value[] = [];
  return {
    add: (_view, bytes, start) => void values.push(bytes[start] === 1),
    addNull: () => void values.push(null),
    take() {
      const taken = values;
      values = [];
      return taken;
    },
  };
}

/** Enough for the ids of accounts, and for every word that a column may have. */
const KNOWN = 16;
const FIRST_BYTES = 65_536;

/**
 * Bytes, because the library would convert each string to bytes. They are copied: a view into a chunk of the COPY would
 * keep the chunk in memory. The first `most` different texts are one object each, so that the library recognises a
 * repeated text by identity.
 */
function texts(most: number): ColumnCells {
  const known: Uint8Array[] = [];
  let values: Value[] = [];
  let room = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let used = 0;
  function copyOf(bytes: Buffer, start: number, end: number): Uint8Array {
    const length = end - start;
    if (used + length > room.length) {
      room = Buffer.allocUnsafeSlow(Math.max(length, 2 * room.length));
      used = 0;
    }
    bytes.copy(room, used, start, end);
    used += length;
    return new Uint8Array(room.buffer, used - length, length);
  }
  return {
    add(_view, bytes, start, end) {
      let text = known.find((one) => isSame(one, bytes, start, end));
      if (text === undefined) {
        text = copyOf(bytes, start, end);
        if (known.length < most) known.push((text = text.slice()));
      }
      values.push(text);
    },
    addNull: () => void values.push(null),
    take() {
      const taken = values;
      [values, used] = [[], 0];
      return taken;
    },
  };
}

function isSame(text: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let n = 0; n < text.length; n++) if (text[n] !== bytes[start + n]) return false;
  return true;
}
