// Thrift's compact protocol, as far as Parquet's headers and footers need it. A value says its type; a struct is a list
// of fields, each with its number from parquet.thrift, in rising order.
type Value =
  | { as: 'boolean'; value: boolean }
  | { as: 'i32' | 'i64'; value: number }
  | { as: 'binary'; value: Uint8Array }
  | { as: 'list'; of: Value['as']; items: readonly Value[] }
  | { as: 'struct'; fields: readonly Field[] }
  /** A struct that was encoded before. */
  | { as: 'encoded'; value: Uint8Array };
export type ThriftValue = Value;
/** Undefined: an optional field without a value. */
export type Field = readonly [number: number, value: Value | undefined];

export const i32 = (value: number): Value => ({ as: 'i32', value });
export const i64 = (value: number): Value => ({ as: 'i64', value });
export const boolean = (value: boolean): Value => ({ as: 'boolean', value });
export const binary = (value: Uint8Array | string): Value => ({ as: 'binary', value: Buffer.from(value) });
export const list = (of: Value['as'], items: readonly Value[]): Value => ({ as: 'list', of, items });
export const struct = (...fields: Field[]): Value => ({ as: 'struct', fields });
export const encoded = (value: Uint8Array): Value => ({ as: 'encoded', value });

/** The bytes of a struct. */
export function thrift(...fields: Field[]): Uint8Array {
  const bytes: number[] = [];
  writeStruct(bytes, fields);
  return Uint8Array.from(bytes);
}

const TYPES: Record<Value['as'], number> = {
  boolean: 1,
  i32: 5,
  i64: 6,
  binary: 8,
  list: 9,
  struct: 12,
  encoded: 12,
};
const BOOLEAN_FALSE = 2;

function writeStruct(bytes: number[], fields: readonly Field[]): void {
  let last = 0;
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    // Numbers are written as steps from the one before, and every step here fits four bits.
    const type = value.as === 'boolean' && !value.value ? BOOLEAN_FALSE : TYPES[value.as];
    bytes.push(((number - last) << 4) | type);
    last = number;
    writeValue(bytes, value);
  }
  bytes.push(0);
}

function writeValue(bytes: number[], value: Value): void {
  switch (value.as) {
    case 'boolean': // Its type has said it.
      return;
    case 'i32':
    case 'i64':
      return writeVarint(bytes, value.value < 0 ? -2 * value.value - 1 : 2 * value.value);
    case 'binary':
      writeVarint(bytes, value.value.length);
      for (const byte of value.value) bytes.push(byte);
      return;
    case 'encoded':
      for (const byte of value.value) bytes.push(byte);
      return;
    case 'list':
      if (value.items.length < 15) bytes.push((value.items.length << 4) | TYPES[value.of]);
      else {
        bytes.push(0xf0 | TYPES[value.of]);
        writeVarint(bytes, value.items.length);
      }
      for (const item of value.items) writeValue(bytes, item);
      return;
    case 'struct':
      writeStruct(bytes, value.fields);
  }
}

/** Seven bits a byte, the lowest first. Division, because a file may be longer than 32 bits. */
export function writeVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
}
