// Finds a person in texts that were kept as they came: rejected records, and messages of runs. Pure.

export type PersonTexts = {
  userIds: readonly string[];
  /** Every version that is or was known. */
  identities: readonly { email: string | null; name: string | null }[];
};

/**
 * How sure it is, the surest first. part: the part of an email before the sign @, or every word of a name. Two people may
 * share a name, and a part of an email means little.
 */
export type Mention = 'id' | 'email' | 'name' | 'part';

export type PersonMatcher = {
  /** The surest mention; null if there is none. */
  mentionIn(text: string): Mention | null;
  /** The text without ids, emails and names of several words; null if it has none. For texts that are to be kept. */
  without(text: string): string | null;
};

const REMOVED = '[erased]';
/** Shorter parts of an email are words of many texts. */
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
  return {
    mentionIn(text) {
      const folded = text.toLowerCase();
      const holds = (needle: string) => spellings(needle).some((one) => folded.includes(one));
      const holdsWord = (needle: string) => spellings(needle).some((one) => hasWord(folded, one));
      if (ids.some(holds)) return 'id';
      if (emails.some((email) => holds(email) || isCutWithin(folded, email))) return 'email';
      if (names.some(holdsWord)) return 'name';
      if (parts.some((part) => part.length >= PART_LEAST && holdsWord(part))) return 'part';
      return words.some((all) => all.length > 1 && all.every(holdsWord)) ? 'part' : null;
    },
    without(text) {
      const needles = [...ids, ...emails, ...fullNames].flatMap(spellings);
      const kept = needles.reduce((rest, needle) => rest.replaceAll(patternOf(needle), REMOVED), text);
      return kept === text ? null : kept;
    },
  };
}

/** In small letters, without texts that hold nothing but blanks. */
function unique(texts: readonly (string | null)[]): string[] {
  return [...new Set(texts.flatMap((text) => (text === null ? [] : [text.trim().toLowerCase()])))].filter(
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

function patternOf(text: string): RegExp {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gi');
}
