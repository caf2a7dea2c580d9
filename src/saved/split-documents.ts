// Splits the content of a saved file into the answers it holds. People save one answer, several one after another,
// an array of answers (jq -s), the bare list of users, or one user a line. Knows only enough JSON for that: strings,
// brackets, and what a document begins with (document-kind.ts). Whether a part is valid, its reader tells.
import { kindAt, SplitError, type DocumentKind } from './document-kind.ts';

export type SplitEvent =
  | { at: 'begin'; kind: DocumentKind }
  /** Valid until the next piece is split. */
  | { at: 'bytes'; bytes: Uint8Array }
  | { at: 'end' };

export type Splitter = {
  push(piece: Uint8Array): Iterable<SplitEvent>;
  end(): Iterable<SplitEvent>;
};

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
// This bit turns both brackets into braces.
const BRACE_BIT = 32;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

// Every file of Windows may begin with this mark. Joined files have it in the middle.
const MARK = Buffer.from('\ufeff');
const BETWEEN_RECORDS = Buffer.from(',');
const NOTHING: Uint8Array = Buffer.alloc(0);

export function createSplitter(): Splitter {
  const value = createValue();
  const array = createArray();
  let pending = NOTHING;
  let current: DocumentKind | null = null;
  let isEmpty = true;

  function* push(piece: Uint8Array): Generator<SplitEvent> {
    const bytes = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
    pending = NOTHING;
    let at = 0;
    while (at < bytes.length) {
      if (value.isOpen()) {
        const end = value.skip(bytes, at);
        yield { at: 'bytes', bytes: bytes.subarray(at, end) };
        at = end;
        if (!value.isOpen() && current !== 'records') yield* endCurrent();
        continue;
      }
      const gap = gapAt(bytes, at, array);
      const kind = gap === 0 ? kindAt(bytes, at) : null;
      if (kind !== null) {
        yield* begin(kind);
        if (kind === 'array') at++;
      } else if (gap > 0) at += gap;
      else {
        pending = Buffer.from(bytes.subarray(at));
        return;
      }
    }
  }

  function* begin(kind: DocumentKind | 'array'): Generator<SplitEvent> {
    isEmpty = false;
    if (kind === 'array') return array.open();
    array.noteValue();
    value.open();
    if (kind === 'records' && current === 'records') {
      yield { at: 'bytes', bytes: BETWEEN_RECORDS };
      return;
    }
    yield* endCurrent();
    current = kind;
    yield { at: 'begin', kind };
  }

  function* endCurrent(): Generator<SplitEvent> {
    if (current === null) return;
    current = null;
    yield { at: 'end' };
  }

  return {
    push,
    *end() {
      if (value.isOpen() || pending.length > 0 || array.isOpen()) throw new SplitError('cut');
      if (isEmpty) throw new SplitError('empty');
      yield* endCurrent();
    },
  };
}

/** How many bytes lie between documents here. 0: none. Negative: more of the text is needed. */
function gapAt(bytes: Uint8Array, at: number, array: DocumentArray): number {
  const code = bytes[at]!;
  if (isSpace(code)) return 1;
  if (code === MARK[0]) return bytes.length - at < MARK.length ? -1 : markAt(bytes, at);
  if (!array.isOpen() || (code !== COMMA && code !== CLOSE_BRACKET)) return 0;
  if (code === COMMA) array.noteComma();
  else array.close();
  return 1;
}

function markAt(bytes: Uint8Array, at: number): number {
  if (!MARK.equals(bytes.subarray(at, at + MARK.length))) throw new SplitError('text');
  return MARK.length;
}

/** A document, read on from one piece to the next. */
function createValue() {
  let isOpen = false;
  let depth = 0;
  let inString = false;
  let escaped = false;
  return {
    isOpen: () => isOpen,
    /** Its opening bracket comes next. */
    open(): void {
      isOpen = true;
    },
    /** Returns where it ended, or the end of the piece. */
    skip(bytes: Uint8Array, start: number): number {
      let at = start;
      while (at < bytes.length) {
        const code = bytes[at++]!;
        if (inString) {
          if (escaped) escaped = false;
          else if (code === BACKSLASH) escaped = true;
          else if (code === QUOTE) inString = false;
        } else if (code === QUOTE) inString = true;
        else if ((code | BRACE_BIT) === OPEN_BRACE) depth++;
        else if ((code | BRACE_BIT) === CLOSE_BRACE && --depth === 0) {
          isOpen = false;
          return at;
        }
      }
      return at;
    },
  };
}

type DocumentArray = ReturnType<typeof createArray>;

/** An array of documents: what may come next in it. Throws a SplitError at anything else. */
function createArray() {
  let next: 'first' | 'value' | 'comma' | null = null;
  return {
    isOpen: () => next !== null,
    open(): void {
      if (next !== null) throw new SplitError('other');
      next = 'first';
    },
    noteValue(): void {
      if (next === 'comma') throw new SplitError('text');
      if (next !== null) next = 'comma';
    },
    noteComma(): void {
      if (next !== 'comma') throw new SplitError('text');
      next = 'value';
    },
    close(): void {
      if (next === 'value') throw new SplitError('text');
      next = null;
    },
  };
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
