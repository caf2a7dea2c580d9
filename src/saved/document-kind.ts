// Recognises what a saved file holds at one place, by the first key of the first object there.

/**
 * envelope: an answer with its envelope. result: what an envelope holds. list: a bare array of records. records: bare
 * records, one after another.
 */
export type DocumentKind = 'envelope' | 'result' | 'list' | 'records';

/** Why the content cannot be split. */
export class SplitError extends Error {
  readonly why: 'empty' | 'cut' | 'text' | 'html' | 'other';
  constructor(why: SplitError['why']) {
    super(why);
    this.why = why;
  }
}

const OPEN_BRACKET = 91;
const OPEN_BRACE = 123;
const LESS = 60;

// No key of the API is that far from the beginning of its object.
const HEAD_BYTES = 65_536;

/** What begins at that place. 'array': several documents. Null: more of the text is needed. Throws a SplitError. */
export function kindAt(bytes: Uint8Array, at: number): DocumentKind | 'array' | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(bytes.length - at, HEAD_BYTES));
  const kind = kindOf(head.toString('latin1'));
  if (kind === null && head.length === HEAD_BYTES) throw new SplitError('other');
  return kind;
}

const ENVELOPE_KEYS = new Set(['success', 'errors', 'messages', 'result', 'result_info']);
const FIRST_KEY = /^\{\s*"((?:[^"\\]|\\.)*)"/;

function kindOf(text: string): DocumentKind | 'array' | null {
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
