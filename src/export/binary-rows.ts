// Cuts the stream of a binary COPY into fields. A chunk may end anywhere, so its incomplete end is kept for the next
// one.
export type FieldVisitor = {
  /** `start` -1: null. */
  field(column: number, bytes: Buffer, start: number, end: number): void;
  /** After the last field of a row. */
  row(): void;
};

const SIGNATURE_BYTES = 19;

/** Returns a function that takes the chunks in their order. */
export function binaryRows(visitor: FieldVisitor): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    if (!begun) {
      if (bytes.length < SIGNATURE_BYTES) {
        rest = bytes;
        return;
      }
      begun = true;
      at = SIGNATURE_BYTES;
    }
    for (let end = endOfRow(bytes, at); end > 0; end = endOfRow(bytes, at)) {
      visitRow(bytes, at, visitor);
      at = end;
    }
    rest = bytes.subarray(at);
  };
}

/** 0: the row is not complete, or the end mark follows. */
function endOfRow(bytes: Buffer, start: number): number {
  if (start + 2 > bytes.length) return 0;
  const fields = bytes.readInt16BE(start);
  if (fields < 0) return 0;
  let at = start + 2;
  for (let n = 0; n < fields; n++) {
    if (at + 4 > bytes.length) return 0;
    at += 4 + Math.max(0, bytes.readInt32BE(at));
  }
  return at > bytes.length ? 0 : at;
}

function visitRow(bytes: Buffer, start: number, visitor: FieldVisitor): void {
  const fields = bytes.readInt16BE(start);
  let at = start + 2;
  for (let n = 0; n < fields; n++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) visitor.field(n, bytes, -1, -1);
    else visitor.field(n, bytes, at, (at += length));
  }
  visitor.row();
}
