// The file of CLOUDFLARE_ACCOUNT_ID_FILE: one account id a line. Blank lines are ignored, and # begins a comment.
import { readFileSync } from 'node:fs';

export type AccountFile = {
  /** In the order of the file, each once. */
  ids: string[];
  /** The problem and its line. Empty: the list can be used. */
  problems: string[];
};

/** If thousands of lines are wrong, the first ones show the mistake. */
const MOST_PROBLEMS = 10;

/** A file that cannot be read is also a problem. Blocks: a list of 10,000 takes a few milliseconds. */
export function readAccountFile(path: string): AccountFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return refused(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  try {
    return parseAccountFile(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return refused('is not UTF-8 text');
  }
}

/** Pure. A file without any id is a mistake: it would silently end every sync. */
export function parseAccountFile(text: string): AccountFile {
  const lineOf = new Map<string, number>();
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    const id = toAccountId(line.replace(/#.*$/, '').trim());
    if (id === '') continue;
    const number = index + 1;
    const before = lineOf.get(id);
    if (id === '*') problems.push(`line ${number}: * is for CLOUDFLARE_ACCOUNT_ID, a file lists ids`);
    else if (!isAccountId(id)) problems.push(`line ${number} is not one account id`);
    else if (before !== undefined) problems.push(`line ${number} repeats the id of line ${before}`);
    else lineOf.set(id, number);
  }
  if (lineOf.size === 0 && problems.length === 0) problems.push('holds no account id');
  const more = problems.length - MOST_PROBLEMS;
  if (more > 0) problems.splice(MOST_PROBLEMS, more, `${more} more lines are wrong`);
  return { ids: [...lineOf.keys()], problems };
}

/**
 * Cloudflare writes its ids in lower case, and accepts both cases. An id in upper case is the same account: used
 * unchanged, it would begin a second history. Any other text stays unchanged.
 */
export function toAccountId(text: string): string {
  return /^[0-9A-Fa-f]{32}$/.test(text) ? text.toLowerCase() : text;
}

export function isAccountId(text: string): boolean {
  return /^[0-9A-Za-z_-]{1,64}$/.test(text);
}

function refused(problem: string): AccountFile {
  return { ids: [], problems: [problem] };
}
