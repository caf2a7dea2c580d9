// Splits the content of a saved file into the answers it holds. People save one answer, several one after another,
// an array of answers (jq -s), the bare list of users, or one user a line. Knows only enough JSON for that: strings,
// brackets, and the first key of an object. Whether a part is valid, its reader tells.

/**
 * envelope: an answer with its envelope. result: what an envelope holds. list: a bare array of records. records: bare
 * records, one after another.
 */
export type DocumentKind = 'envelope' | 'result' | 'list' | 'records';

export type SplitEvent =
  | { at: 'begin'; kind: DocumentKind }
  /** Valid until the next piece is split. */
  | { at: 'bytes'; bytes: Uint8Array }
  | { at: 'end' };

export type Splitter = {
  push(piece: Uint8Array): Iterable<SplitEvent>;
  end(): Iterable<SplitEvent>;
};

/** Why the content cannot be split. */
export class SplitError extends Error {
  readonly why: 'empty' | 'cut' | 'text' | 'html' | 'other';
  constructor(why: SplitError['why']) {
    super(why);
    this.why = why;
  }
}

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const LESS = 60;
// This bit turns both brackets into braces.
const BRACE_BIT = 32;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

// No key of the API is that far from the beginning of its object.
const HEAD_BYTES = 65_536;
const BETWEEN_RECORDS = Buffer.from(',');

export function createSplitter(): Splitter {
  let pending: Uint8Array = Buffer.alloc(0);
  let current: DocumentKind | null = null;
  /** Within an array of documents: what may come next. */
  let array: 'value' | 'comma' | 'first' | null = null;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let isEmpty = true;

  /** Reads on within a value. Returns where it ended, or the end of the piece. */
  function skipValue(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length) {
      const code = bytes[at++]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (code === BACKSLASH) escaped = true;
        else if (code === QUOTE) inString = false;
      } else if (code === QUOTE) inString = true;
      else if ((code | BRACE_BIT) === OPEN_BRACE) depth++;
      else if ((code | BRACE_BIT) === CLOSE_BRACE && --depth === 0) return at;
    }
    return at;
  }

  function* push(piece: Uint8Array): Generator<SplitEvent> {
    const bytes = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
    pending = Buffer.alloc(0);
    let at = 0;
    while (at < bytes.length) {
      if (depth > 0) {
        const end = skipValue(bytes, at);
        yield { at: 'bytes', bytes: bytes.subarray(at, end) };
        at = end;
        if (depth === 0 && current !== 'records') yield* endCurrent();
        continue;
      }
      const code = bytes[at]!;
      if (isSpace(code)) {
        at++;
      } else if (array !== null && (code === COMMA || code === CLOSE_BRACKET)) {
        nextInArray(code);
        at++;
      } else {
        const kind = kindOf(bytes, at);
        if (kind === null) {
          pending = Buffer.from(bytes.subarray(at));
          return;
        }
        isEmpty = false;
        if (kind === 'array') {
          array = 'first';
          at++;
          continue;
        }
        if (array === 'comma') throw new SplitError('text');
        if (array !== null) array = 'comma';
        yield* beginNext(kind);
        // Enters the value, so that the loop above goes on.
        depth = 1;
        yield { at: 'bytes', bytes: bytes.subarray(at, at + 1) };
        at++;
      }
    }
  }

  function kindOf(bytes: Uint8Array, at: number): DocumentKind | 'array' | null {
    const head = Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(bytes.length - at, HEAD_BYTES));
    const kind = classify(head.toString('latin1'));
    if (kind === null && head.length === HEAD_BYTES) throw new SplitError('other');
    if (kind === 'array' && array !== null) throw new SplitError('other');
    return kind;
  }

  function nextInArray(code: number): void {
    const isComma = code === COMMA;
    if (isComma ? array !== 'comma' : array === 'value') throw new SplitError('text');
    array = isComma ? 'value' : null;
  }

  function* beginNext(kind: DocumentKind): Generator<SplitEvent> {
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
      if (depth > 0 || pending.length > 0 || array !== null) throw new SplitError('cut');
      if (isEmpty) throw new SplitError('empty');
      yield* endCurrent();
    },
  };
}

const ENVELOPE_KEYS = new Set(['success', 'errors', 'messages', 'result', 'result_info']);
const FIRST_KEY = /^\{\s*"((?:[^"\\]|\\.)*)"/;

/** What begins here, by the first key of the first object. Null: more of the text is needed. */
function classify(text: string): DocumentKind | 'array' | null {
  if (text.charCodeAt(0) === OPEN_BRACE) return kindOfObject(text);
  if (text.charCodeAt(0) !== OPEN_BRACKET)
    throw new SplitError(text.charCodeAt(0) === LESS ? 'html' : 'text');
  const first = /[^\s]/.exec(text.slice(1))?.index;
  if (first === undefined) return null;
  const inner = text.slice(1 + first);
  if (inner.startsWith(']')) return 'list';
  if (inner.startsWith('[')) return 'array';
  if (!inner.startsWith('{')) throw new SplitError('other');
  const kind = kindOfObject(inner);
  return kind === null || kind === 'records' ? kind && 'list' : 'array';
}

function kindOfObject(text: string): DocumentKind | null {
  const key = FIRST_KEY.exec(text)?.[1];
  if (key !== undefined) return ENVELOPE_KEYS.has(key) ? 'envelope' : key === 'users' ? 'result' : 'records';
  if (/^\{\s*\}/.test(text)) return 'envelope';
  if (/^\{\s*[^\s"]/.test(text)) throw new SplitError('text');
  return null;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
