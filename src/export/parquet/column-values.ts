// The values of one column in one row group: each distinct value once, as Parquet's PLAIN encoding has it, and for each
// row which one it is. Everything lies in a few arrays that are used again, so that nothing is left to collect: with a
// JavaScript value for each cell, collecting took more time than all the rest.

export type ColumnValues = {
  /** The distinct values, one after the other; `starts` has where each begins, and where the last one ends. */
  plain: Buffer;
  starts: Int32Array;
  distinct: number;
  /** Which value each row has; NONE is null. */
  rows: Int32Array;
  rowCount: number;
  nullCount: number;
  /** A hash table with open addressing: numbers of values, or NONE. Its length is a power of two. */
  table: Int32Array;
  hashes: Int32Array;
};

export const NONE = -1;
const FIRST_VALUES = 256;
const FIRST_BYTES = 8_192;

export function noValues(): ColumnValues {
  return {
    plain: Buffer.alloc(FIRST_BYTES),
    starts: new Int32Array(FIRST_VALUES + 1),
    distinct: 0,
    rows: new Int32Array(FIRST_VALUES),
    rowCount: 0,
    nullCount: 0,
    table: new Int32Array(2 * FIRST_VALUES).fill(NONE),
    hashes: new Int32Array(FIRST_VALUES),
  };
}

export function clearValues(values: ColumnValues): void {
  values.distinct = 0;
  values.rowCount = 0;
  values.nullCount = 0;
  values.table.fill(NONE);
}

export function addNull(values: ColumnValues): void {
  values.nullCount++;
  addRow(values, NONE);
}

/** Where the next value is to be written, with room for `bytes`. addWritten() then takes it. */
export function nextStart(values: ColumnValues, bytes: number): number {
  const start = values.starts[values.distinct]!;
  if (start + bytes > values.plain.length) {
    const larger = Buffer.alloc(2 * (start + bytes));
    values.plain.copy(larger, 0, 0, start);
    values.plain = larger;
  }
  return start;
}

/** The value at nextStart() ends at `end`. */
export function addWritten(values: ColumnValues, end: number): void {
  const { plain, starts, distinct, rows, rowCount } = values;
  const start = starts[distinct]!;
  const before = rowCount > 0 ? rows[rowCount - 1]! : NONE;
  if (before !== NONE && isSame(plain, starts[before]!, starts[before + 1]!, start, end))
    return addRow(values, before);
  const hash = hashOf(plain, start, end);
  const mask = values.table.length - 1;
  let slot = hash & mask;
  for (let known = values.table[slot]!; known !== NONE; known = values.table[slot]!) {
    if (values.hashes[known] === hash && isSame(plain, starts[known]!, starts[known + 1]!, start, end))
      return addRow(values, known);
    slot = (slot + 1) & mask;
  }
  values.table[slot] = distinct;
  values.hashes[distinct] = hash;
  starts[distinct + 1] = end;
  values.distinct++;
  if (values.distinct === values.hashes.length) growTable(values);
  addRow(values, distinct);
}

function addRow(values: ColumnValues, value: number): void {
  if (values.rowCount === values.rows.length) values.rows = doubled(values.rows);
  values.rows[values.rowCount++] = value;
}

function growTable(values: ColumnValues): void {
  values.hashes = doubled(values.hashes);
  const starts = new Int32Array(values.hashes.length + 1);
  starts.set(values.starts);
  values.starts = starts;
  const table = new Int32Array(2 * values.table.length).fill(NONE);
  for (let value = 0; value < values.distinct; value++) {
    let slot = values.hashes[value]! & (table.length - 1);
    while (table[slot] !== NONE) slot = (slot + 1) & (table.length - 1);
    table[slot] = value;
  }
  values.table = table;
}

function doubled(array: Int32Array): Int32Array {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}

function isSame(bytes: Buffer, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  const shift = otherStart - start;
  // From the end: ids and times differ there.
  for (let at = end - 1; at >= start; at--) if (bytes[at] !== bytes[at + shift]) return false;
  return true;
}

/** FNV-1a, and a last step that spreads the upper bits over the slots. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
