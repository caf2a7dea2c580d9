// The files of src/db/views: each defines one view or function of risk_bi, with its comments. Pure, except that it
// reads files.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export type ViewFile = {
  name: string;
  kind: 'VIEW' | 'FUNCTION';
  text: string;
  /** For a function: its arguments and result, over all its forms. CREATE OR REPLACE cannot change them. */
  signature: string;
  /** What DROP names: a function with several forms needs their arguments. */
  dropped: string;
  /** Other views and functions that the file names. */
  uses: readonly string[];
};

/** As drizzle-kit writes it between statements. */
export const BREAKPOINT = '--> statement-breakpoint';

export function readViewFiles(folder: string): ViewFile[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => parseViewFile(path.basename(file, '.sql'), readFileSync(path.join(folder, file), 'utf8')));
}

/**
 * Throws unless the file begins with its definition: a CREATE OR REPLACE with the name of the file. Other forms of a
 * function may follow, each with its comment.
 */
export function parseViewFile(name: string, text: string): ViewFile {
  const [, kind, created] = /^(?:--.*\n)*CREATE OR REPLACE (VIEW|FUNCTION) risk_bi\.(\w+)\b/.exec(text) ?? [];
  if ((kind !== 'VIEW' && kind !== 'FUNCTION') || created !== name)
    throw new Error(`${name}.sql must begin with CREATE OR REPLACE VIEW or FUNCTION risk_bi.${name}`);
  if (text.includes(BREAKPOINT)) throw new Error(`${name}.sql must not hold a statement breakpoint`);
  // Names in comments and COMMENT texts are no dependencies.
  const code = text.replaceAll(/--.*|'(?:[^']|'')*'/g, '');
  const signature =
    kind === 'VIEW'
      ? ''
      : [...code.matchAll(/REPLACE FUNCTION risk_bi\.\w+([\s\S]*?)\bLANGUAGE\b/g)]
          .map(([, one]) => one)
          .join(';');
  const forms = [...text.matchAll(/^COMMENT ON FUNCTION (risk_bi\.\w+\([^)]*\))/gm)].map(([, form]) => form);
  const named = [...code.matchAll(/\brisk_bi\.(\w+)/g)].map(([, used = '']) => used);
  return {
    name,
    kind,
    text,
    signature: signature.replaceAll(/\s+/g, ' '),
    dropped: forms.length > 1 ? forms.join(', ') : `risk_bi.${name}`,
    uses: [...new Set(named)].filter((used) => used !== name),
  };
}

/**
 * Sorts each file after those that it names, and otherwise by name. Throws if a name has no file, or if files name each
 * other in a cycle.
 */
export function inOrder(files: readonly ViewFile[]): ViewFile[] {
  const waiting = new Map(files.toSorted(byName).map((file) => [file.name, file]));
  for (const { name, uses } of files) {
    const unknown = uses.find((used) => !waiting.has(used));
    if (unknown !== undefined) throw new Error(`${name}.sql names risk_bi.${unknown}, which no file makes`);
  }
  const ordered: ViewFile[] = [];
  while (waiting.size > 0) {
    const next = [...waiting.values()].find(({ uses }) => !uses.some((used) => waiting.has(used)));
    if (next === undefined) throw new Error(`views in a cycle: ${[...waiting.keys()].join(', ')}`);
    waiting.delete(next.name);
    ordered.push(next);
  }
  return ordered;
}

function byName(a: ViewFile, b: ViewFile): number {
  return a.name < b.name ? -1 : 1;
}
