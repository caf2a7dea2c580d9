// Which accounts a person means. Only this file reads an id or a label, for every command. Pure.
import { OperatorError } from '../errors.ts';
import { clip, printable } from '../words.ts';

export type NamedAccount = { account_id: string; label: string | null };

/** The message for no match. */
type Unknown = (text: string, known: readonly NamedAccount[]) => OperatorError;

/**
 * Each account once, in the order in which they were named. An id has priority over a label, and an exact match over a
 * match that ignores case. Throws ACCOUNT_UNKNOWN (or what `unknown` makes) and ACCOUNT_AMBIGUOUS.
 */
export function resolveAccounts<A extends NamedAccount>(
  known: readonly A[],
  wanted: readonly string[],
  unknown: Unknown = accountUnknown,
): A[] {
  const chosen = new Set<A>();
  for (const text of wanted) {
    const found = matches(known, text);
    const [account] = found;
    if (account === undefined) throw unknown(text, known);
    if (found.length > 1) throw ambiguous(text, found);
    chosen.add(account);
  }
  return [...chosen];
}

function matches<A extends NamedAccount>(known: readonly A[], text: string): A[] {
  const folded = text.toLowerCase();
  const ways: ((account: A) => boolean)[] = [
    ({ account_id }) => account_id === text,
    ({ label }) => label === text,
    ({ account_id }) => account_id.toLowerCase() === folded,
    ({ label }) => label?.toLowerCase() === folded,
  ];
  return ways.map((way) => known.filter(way)).find((found) => found.length > 0) ?? [];
}

export function accountUnknown(text: string, known: readonly NamedAccount[]): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    happened: `There is no account ${quoted(text)} in this history`,
    means: `An account is named by its id or its label. ${nearest(text, known)}`,
    todo: 'Run `zt-risk-sync accounts` to list all of them',
  });
}

function ambiguous(text: string, found: readonly NamedAccount[]): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_AMBIGUOUS',
    happened: `${found.length} accounts have the label ${quoted(text)}`,
    means: `It is not clear which one is meant: ${found.map(({ account_id }) => account_id).join(', ')}`,
    todo: 'Give one of these ids, or change a label with `zt-risk-sync accounts label`',
  });
}

/** An email is never repeated: a message may end in a log. */
export function quoted(text: string): string {
  return text.includes('@') ? 'of this name' : `"${clip(printable(text), 64)}"`;
}

export function accountName({ account_id, label }: NamedAccount): string {
  return printable(label === null ? account_id : `${account_id} (${label})`);
}

const MOST_NAMED = 5;

/** "The nearest are: …": the accounts that share most letter pairs with the text. */
export function nearest(text: string, known: readonly NamedAccount[]): string {
  if (known.length === 0) return 'There is none yet';
  const ranked = known
    .map((account) => ({ account, rank: alike(text, account) }))
    .toSorted((a, b) => b.rank - a.rank)
    .slice(0, MOST_NAMED);
  const names = ranked.map(({ account }) => accountName(account)).join(', ');
  return known.length > MOST_NAMED
    ? `The nearest are ${names}`
    : `There ${known.length === 1 ? 'is' : 'are'} ${names}`;
}

function alike(text: string, { account_id, label }: NamedAccount): number {
  const pairs = (word: string) =>
    Array.from({ length: Math.max(0, word.length - 1) }, (_, at) => word.slice(at, at + 2).toLowerCase());
  const own = new Set([...pairs(account_id), ...pairs(label ?? '')]);
  return pairs(text).filter((pair) => own.has(pair)).length;
}
