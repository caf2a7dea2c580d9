// Checks that the tables of docs/architecture.md allow every import of src/: static, dynamic, re-exports and types.
// Also counts the files of each folder, tests included, and finds names with two meanings. Reads the text with
// patterns, because the parser of TypeScript 7 has no stable interface yet.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const PAGE = 'docs/architecture.md';
const MOST_FILES = 20;
// One file per command, and one per view: their number grows with the product.
const MAY_HOLD_MORE = ['src/commands', 'src/db/views'];

/**
 * `for`: `x/` is a folder and everything below it. `x/*.ts` is each file directly in it, one by one. `x.ts` is one
 * file.
 */
type Room = { for: string; allows: readonly { what: string; typesOnly: boolean }[]; line: number };
type Import = { from: string; line: number; what: string; typesOnly: boolean };

/** At the top level of a file. */
const DECLARATION =
  /^(export )?(?:async |abstract )*(function\*?|const|let|class|type|interface|enum) ([\w$]+)/gm;

const root = process.argv[2] ?? '.';
const page = readFileSync(path.join(root, PAGE), 'utf8');
const rooms = tableOf('room').map(({ cells, line }): Room => ({
  for: namesIn(cells[0])[0]?.what ?? '',
  allows: namesIn(cells.at(-1)),
  line,
}));
const packages = new Map(
  tableOf('package').map(({ cells }) => [
    namesIn(cells[0])[0]?.what ?? '',
    namesIn(cells[1]).map(({ what }) => what),
  ]),
);
const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll(path.sep, '/'))
  .filter((file) => file.endsWith('.ts'))
  .toSorted();
const sources = new Map(
  files.map((file) => [file, withoutComments(readFileSync(path.join(root, 'src', file), 'utf8'))]),
);
const imports = files.flatMap(importsOf);

const problems = [
  ...imports.flatMap((found) => refusal(found) ?? []),
  ...files.flatMap(madeElsewhere),
  ...rooms.flatMap(staleEntries),
  ...crowdedFolders(),
  ...doubleNames(),
];
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

/** Why the import is not allowed. Undefined if it is allowed. */
function refusal({ from, line, what, typesOnly }: Import): string | undefined {
  const place = `src/${from}:${line}:`;
  if (what.startsWith('node:')) return undefined;
  if (what === '') return `${place} a computed name cannot be checked: write it out`;
  if (!what.startsWith('.')) {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(what)?.[0] ?? what;
    const places = packages.get(name);
    if (places === undefined) return `${place} the package ${name} has no row in ${PAGE}`;
    if (places.some((place) => covers(place, from))) return undefined;
    return `${place} the package ${name} is for ${places.join(' ')} alone (${PAGE})`;
  }
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(from), what));
  const room = roomOf(from);
  if (room === undefined) return `${place} the file is in no room of ${PAGE}`;
  if (room.for.endsWith('/') && roomOf(target) === room) return undefined;
  const entries = room.allows.filter(({ what }) => covers(what, target));
  if (entries.some((entry) => typesOnly || !entry.typesOnly)) return undefined;
  const only = entries.length > 0 ? ' except its types' : '';
  return `${place} ${room.for} may not import ${target}${only} (${PAGE}:${room.line})`;
}

/** `new Pool` and the like, outside the files that the table names for it. */
function madeElsewhere(file: string): string[] {
  const code = sources.get(file) ?? '';
  return [...packages].flatMap(([what, places]) => {
    const [, name] = /^new (\w+)$/.exec(what) ?? [];
    if (name === undefined || places.includes(file)) return [];
    return [...code.matchAll(new RegExp(`\\bnew\\s+(?:\\w+\\.)?${name}\\b`, 'g'))].map(
      ({ index }) => `src/${file}:${lineAt(code, index)}: ${what} is for ${places.join(' ')} alone (${PAGE})`,
    );
  });
}

/** Rows for folders that no longer exist, and single files that their folder no longer imports. */
function staleEntries(room: Room): string[] {
  const place = `${PAGE}:${room.line}:`;
  const mine = imports.filter(({ from }) => roomOf(from) === room);
  const imported = new Set(
    mine.map(({ from, what }) => path.posix.normalize(path.posix.join(path.posix.dirname(from), what))),
  );
  return [
    ...(files.some((file) => covers(room.for, file)) ? [] : [`${place} there is no ${room.for} in src/`]),
    ...room.allows.flatMap(({ what }) => {
      if (!files.some((file) => covers(what, file))) return [`${place} there is no ${what} in src/`];
      const isFile = !what.endsWith('/') && !what.endsWith('*.ts');
      return isFile && !imported.has(what) ? [`${place} ${room.for} no longer imports ${what}`] : [];
    }),
  ];
}

/** Folders of src/ and test/ with too many files of any kind. */
function crowdedFolders(): string[] {
  const counts = new Map<string, number>();
  for (const tree of ['src', 'test'].filter((tree) => existsSync(path.join(root, tree)))) {
    const entries = readdirSync(path.join(root, tree), { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((entry) => entry.isFile())) {
      const folder = path.relative(root, entry.parentPath).replaceAll(path.sep, '/');
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  return [...counts]
    .filter(([folder, count]) => count > MOST_FILES && !MAY_HOLD_MORE.includes(folder))
    .map(
      ([folder, count]) =>
        `${folder}: ${count} files, but at most ${MOST_FILES} are allowed: which rooms does it hide?`,
    );
}

/** Names that one file exports, and that another file exports as well, or gives to a type of its own. */
function doubleNames(): string[] {
  const places = new Map<string, { file: string; line: number; exports: boolean; isType: boolean }[]>();
  for (const [file, code] of sources)
    for (const { 1: exported, 2: kind, 3: name = '', index } of code.matchAll(DECLARATION)) {
      const isType = kind === 'type' || kind === 'interface';
      const place = { file, line: lineAt(code, index), exports: exported !== undefined, isType };
      places.set(name, [...(places.get(name) ?? []), place]);
    }
  return [...places].flatMap(([name, all]) => {
    const first = all.find((place) => place.exports);
    const others = all.filter(({ file, exports, isType }) => file !== first?.file && (exports || isType));
    if (first === undefined) return [];
    return others.map(
      ({ file, line }) =>
        `src/${file}:${line}: ${name} has another meaning in src/${first.file}:${first.line}`,
    );
  });
}

/** The closest row: of the file, or else of its folder, or else of a folder above. */
function roomOf(file: string): Room | undefined {
  const of = (name: string): Room | undefined => rooms.find((room) => room.for === name);
  let folder = path.posix.dirname(file);
  const direct = of(file) ?? of(folder === '.' ? '*.ts' : `${folder}/*.ts`);
  if (direct !== undefined) return direct;
  for (; folder !== '.'; folder = path.posix.dirname(folder)) {
    const around = of(`${folder}/`);
    if (around !== undefined) return around;
  }
  return undefined;
}

function covers(entry: string, file: string): boolean {
  if (entry.endsWith('/')) return file.startsWith(entry);
  return entry === file || (entry.endsWith('*.ts') && roomOf(file)?.for === entry);
}

function importsOf(from: string): Import[] {
  const code = sources.get(from) ?? '';
  const fixed = code.matchAll(/^\s*(?:import|export)\s+(type\s)?([\w$*{},\s]*?\bfrom\s*)?(['"])(.*?)\3/gm);
  const dynamic = code.matchAll(/(?<![\w$.])import\s*\(\s*(?:(['"`])([^'"`$]*)\1\s*\))?/g);
  return [
    ...[...fixed].map(({ 0: all, 1: type, 2: names = '', 4: what = '', index }) => ({
      from,
      line: lineAt(code, index + all.search(/\S/)),
      what,
      typesOnly: type !== undefined || areTypes(names),
    })),
    ...[...dynamic].map(({ 2: what = '', index }) => ({
      from,
      line: lineAt(code, index),
      what,
      typesOnly: false,
    })),
  ];
}

/** Whether all names are types (`{ type A, type B } from`), so that nothing is loaded. */
function areTypes(names: string): boolean {
  const members = /^\{([^}]*)\}\s*from/
    .exec(names)?.[1]
    ?.split(',')
    .filter((member) => member.trim() !== '');
  return members !== undefined && members.length > 0 && members.every((member) => /^\s*type\s/.test(member));
}

function lineAt(code: string, index: number): number {
  return code.slice(0, index).split('\n').length;
}

/**
 * Replaces comments with blanks, so that line numbers stay the same. Keeps strings: two slashes in a string begin no
 * comment.
 */
function withoutComments(source: string): string {
  return source.replaceAll(
    /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (all: string, text?: string) => text ?? all.replaceAll(/[^\n]/g, ' '),
  );
}

/** The rows of the table with this heading in its first column. */
function tableOf(head: string): { cells: string[]; line: number }[] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  if (start === -1) throw new Error(`${PAGE} has no table with the first column "${head}"`);
  const rows: { cells: string[]; line: number }[] = [];
  for (let at = start + 2; lines[at]?.startsWith('|') === true; at++) {
    rows.push({ cells: (lines[at] ?? '').split('|').slice(1, -1), line: at + 1 });
  }
  return rows;
}

function namesIn(cell = ''): { what: string; typesOnly: boolean }[] {
  return [...cell.matchAll(/`([^`]+)`( \(types\))?/g)].map(([, what = '', types]) => ({
    what,
    typesOnly: types !== undefined,
  }));
}
