// A binary COPY becomes CSV or NDJSON. The server could write both by itself, and takes four times the CPU for it:
// mostly for times in a form that every reader knows (docs/performance.md).
import { binaryRows } from './binary-rows.ts';
import type { Column, ColumnKind } from './datasets.ts';
import { copyText, emptyText, growFor, writeDecimal, writeTime, writeUuid, type Text } from './text-bytes.ts';

type Field = (text: Text, bytes: Buffer, start: number, end: number) => void;

const [NEWLINE, QUOTE, COMMA, RETURN, BACKSLASH, SPACE] = [10, 34, 44, 13, 92, 32];

/** For pipeline(): takes the chunks of the COPY, and gives the bytes of the file. */
export function encodeText(columns: readonly Column[], format: 'csv' | 'ndjson') {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
    const text = emptyText();
    const take = binaryRows(format === 'csv' ? csv(columns, text) : ndjson(columns, text));
    if (format === 'csv') copyText(text, Buffer.from(`${columns.map(({ name }) => name).join(',')}\n`));
    for await (const chunk of source) {
      take(chunk);
      if (text.at > 0) yield drain(text);
    }
    // Without a row, there is only the header.
    if (text.at > 0) yield drain(text);
  };
}

/** A copy: whoever writes it to the disk still reads it, while the next rows are made in the same memory. */
function drain(text: Text): Uint8Array {
  const bytes = Buffer.from(text.bytes.subarray(0, text.at));
  text.at = 0;
  return bytes;
}

/** Null is an empty cell, and an empty text is "". */
function csv(columns: readonly Column[], text: Text) {
  const fields = columns.map(({ kind }) => PLAIN[kind] ?? csvText);
  return {
    field(n: number, bytes: Buffer, start: number, end: number): void {
      growFor(text, 2 * (end - start) + ROOM);
      if (n > 0) text.bytes[text.at++] = COMMA;
      if (start >= 0) fields[n]!(text, bytes, start, end);
    },
    row(): void {
      growFor(text, ROOM);
      text.bytes[text.at++] = NEWLINE;
    },
  };
}

function ndjson(columns: readonly Column[], text: Text) {
  const fields = columns.map(({ kind }) => JSON_FIELDS[kind]);
  const names = columns.map(({ name }, n) => Buffer.from(`${n === 0 ? '{' : ','}${JSON.stringify(name)}:`));
  const end = Buffer.from('}\n');
  const none = Buffer.from('null');
  return {
    field(n: number, bytes: Buffer, start: number, stop: number): void {
      growFor(text, 6 * (stop - start) + names[n]!.length + ROOM);
      copyText(text, names[n]!);
      if (start < 0) copyText(text, none);
      else fields[n]!(text, bytes, start, stop);
    },
    row(): void {
      growFor(text, ROOM);
      copyText(text, end);
    },
  };
}

/** The longest time, number or uuid with its quotes and commas is shorter. */
const ROOM = 64;

/** Forms without a sign that CSV must quote. */
const PLAIN: Partial<Record<ColumnKind, Field>> = {
  uuid: writeUuid,
  time: writeTime,
  integer: (text, bytes, start) => writeDecimal(text, bytes.readInt32BE(start)),
  bigint: (text, bytes, start) => {
    const high = bytes.readInt32BE(start);
    const isSafe = high >= 0 && high < 1 << 20;
    if (isSafe) writeDecimal(text, high * 2 ** 32 + bytes.readUInt32BE(start + 4));
    else copyText(text, Buffer.from(String(bytes.readBigInt64BE(start))));
  },
  double: (text, bytes, start) => copyText(text, Buffer.from(String(bytes.readDoubleBE(start)))),
  boolean: (text, bytes, start) => copyText(text, bytes[start] === 1 ? TRUE : FALSE),
};
const [TRUE, FALSE] = [Buffer.from('true'), Buffer.from('false')];

const JSON_FIELDS: Record<ColumnKind, Field> = {
  text: jsonText,
  outside: jsonText,
  uuid: quoted(writeUuid),
  time: quoted(writeTime),
  integer: PLAIN.integer!,
  bigint: PLAIN.bigint!,
  double: PLAIN.double!,
  boolean: PLAIN.boolean!,
};

function quoted(write: Field): Field {
  return (text, bytes, start, end) => {
    text.bytes[text.at++] = QUOTE;
    write(text, bytes, start, end);
    text.bytes[text.at++] = QUOTE;
  };
}

/** The caller has made room for twice the bytes. */
function csvText(text: Text, bytes: Buffer, start: number, end: number): void {
  const { bytes: to, at: from } = text;
  let at = from;
  for (let n = start; n < end; n++) {
    const byte = bytes[n]!;
    if (byte === QUOTE || byte === COMMA || byte === NEWLINE || byte === RETURN)
      return quotedCsv(text, bytes, start, end);
    to[at++] = byte;
  }
  if (at === from) return quotedCsv(text, bytes, start, end);
  text.at = at;
}

function quotedCsv(text: Text, bytes: Buffer, start: number, end: number): void {
  const to = text.bytes;
  let at = text.at;
  to[at++] = QUOTE;
  for (let n = start; n < end; n++) {
    const byte = bytes[n]!;
    if (byte === QUOTE) to[at++] = QUOTE;
    to[at++] = byte;
  }
  to[at++] = QUOTE;
  text.at = at;
}

/** The caller has made room for six times the bytes. */
function jsonText(text: Text, bytes: Buffer, start: number, end: number): void {
  const { bytes: to, at: from } = text;
  let at = from;
  to[at++] = QUOTE;
  for (let n = start; n < end; n++) {
    const byte = bytes[n]!;
    if (byte === QUOTE || byte === BACKSLASH || byte < SPACE) {
      copyText(text, Buffer.from(JSON.stringify(bytes.toString('utf8', start, end))));
      return;
    }
    to[at++] = byte;
  }
  to[at++] = QUOTE;
  text.at = at;
}
