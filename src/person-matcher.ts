// Finds a person in texts that were kept as served: rejected records, and messages of runs. Pure.
import type { EmailAndName } from './pii-policy.ts';

export type PersonTexts = {
  userIds: readonly string[];
  /** Every version that is or was known. */
  identities: readonly EmailAndName[];
};

/**
 * How certain a mention is, the most certain kind first. part: the part of an email before the @, or every word of a
 * name. Two people may share a name, and a part of an email is weak evidence.
 */
export type Mention = 'id' | 'email' | 'name' | 'part';

export type PersonMatcher = {
  /** The most certain mention. Null if there is none. */
  mentionIn(text: string): Mention | null;
  /**
   * The text without ids, emails and names of several words. Null if it contains none of them. For texts that are kept.
   */
  without(text: string): string | null;
  /** The same for every text in a JSON value, names of fields included. */
  withoutIn<T>(value: T): T | null;
};

const REMOVED = '[erased]';
/** Shorter parts of an email are words that occur in many texts. */
const PART_LEAST = 4;
const WORD_LEAST = 2;
/** A text may have been cut within an email. */
const CUT_LEAST = 5;

/** Ignores case. Texts may be JSON, in which a quotation mark in a name is escaped. */
export function createPersonMatcher({ userIds, identities }: PersonTexts): PersonMatcher {
  const emails = unique(identities.map(({ email }) => email));
  const names = unique(identities.map(({ name }) => name));
  const ids = unique(userIds);
  const parts = unique(emails.map((email) => email.slice(0, Math.max(0, email.lastIndexOf('@')))));
  const words = names.map((name) => name.split(/\s+/).filter((word) => word.length >= WORD_LEAST));
  const fullNames = names.filter((name) => /\s/.test(name));
  const needles = [...ids, ...emails, ...fullNames];
  const without = (text: string): string => needles.reduce(remove, text);
  return {
    mentionIn(text) {
      const folded = fold(text);
      const holds = (needle: string) => spellings(needle).some((one) => folded.includes(one));
      const holdsWord = (needle: string) => spellings(needle).some((one) => hasWord(folded, one));
      if (ids.some(holds)) return 'id';
      if (emails.some((email) => holds(email) || isCutWithin(folded, email))) return 'email';
      if (names.some(holdsWord)) return 'name';
      if (parts.some((part) => part.length >= PART_LEAST && holdsWord(part))) return 'part';
      return words.some((all) => all.length > 1 && all.every(holdsWord)) ? 'part' : null;
    },
    without(text) {
      const kept = without(text);
      return kept === text ? null : kept;
    },
    withoutIn(value) {
      const kept = mapTexts(value, without);
      return JSON.stringify(kept) === JSON.stringify(value) ? null : (kept as typeof value);
    },
  };
}

/** In lower case, without blank texts. */
function unique(texts: readonly (string | null)[]): string[] {
  return [...new Set(texts.flatMap((text) => (text === null ? [] : [fold(text.trim())])))].filter(
    (text) => text !== '',
  );
}

function spellings(text: string): string[] {
  const inJson = JSON.stringify(text).slice(1, -1);
  return inJson === text ? [text] : [text, inJson];
}

const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const [before, after] = [text.slice(0, at).slice(-1), text.slice(at + word.length, at + word.length + 1)];
    if (!LETTER_OR_DIGIT.test(before) && !LETTER_OR_DIGIT.test(after)) return true;
  }
  return false;
}

/** Whether the text ends with the beginning of an email. */
function isCutWithin(text: string, email: string): boolean {
  for (let length = email.length - 1; length >= CUT_LEAST; length--)
    if (text.endsWith(email.slice(0, length))) return true;
  return false;
}

/**
 * Letter by letter, so that a position in the folded text is known in the original. Folding a whole word would treat
 * its last sigma differently.
 */
function fold(text: string): string {
  return Array.from(text, (letter) => letter.toLowerCase()).join('');
}

function remove(text: string, folded: string): string {
  const letters = Array.from(text);
  const starts: number[] = [];
  let inFolded = '';
  for (const letter of letters) {
    starts.push(inFolded.length);
    inFolded += letter.toLowerCase();
  }
  let kept = '';
  let done = 0;
  for (let at = inFolded.indexOf(folded); at >= 0; at = inFolded.indexOf(folded, at + folded.length)) {
    const begin = starts.findLastIndex((start) => start <= at);
    const end = starts.findIndex((start) => start >= at + folded.length);
    kept += `${letters.slice(done, begin).join('')}${REMOVED}`;
    done = end < 0 ? letters.length : end;
  }
  return kept + letters.slice(done).join('');
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [change(name), mapTexts(one, change)]),
  );
}
