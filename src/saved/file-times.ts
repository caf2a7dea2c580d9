// The instant of each saved file: what a person says, otherwise what its name says. Never the date of the file: a copy,
// a download or a backup changes it. Pure.
import { instantInName } from './instant-in-name.ts';
import { savedError, shown, type SavedFile } from './saved-file.ts';

/** With `at`, all files have that one instant. Throws IMPORT_TIME_UNKNOWN (exit 64). */
export function timesOf(
  files: readonly SavedFile[],
  { at, timezone }: { at: string | null; timezone: string | null },
): { file: SavedFile; at: Date }[] {
  if (at !== null) {
    const said = instantInName(at, timezone);
    if (said.kind === 'instant') return files.map((file) => ({ file, at: said.at }));
    throw unknown(`--at ${shown({ name: at })}`, 'is', PROBLEMS[said.kind], []);
  }
  const found = files.map((file) => ({ file, said: instantInName(baseName(file.name), timezone) }));
  for (const kind of ['unclear', 'no_zone', 'none'] as const) {
    const these = found.filter(({ said }) => said.kind === kind).map(({ file }) => file);
    if (these.length === 0) continue;
    const many = these.length > 1;
    throw unknown(
      many ? `The times of ${these.length} of ${files.length} files` : `The time of ${shown(these[0]!)}`,
      many ? 'are' : 'is',
      PROBLEMS[kind],
      many ? these : [],
    );
  }
  return found.flatMap(({ file, said }) => (said.kind === 'instant' ? [{ file, at: said.at }] : []));
}

const FORM = '2024-01-05T04:00Z, or 2024-01-05T04-00-00Z';

const PROBLEMS = {
  none: {
    what: 'not known: a name such as this holds no date and time that can be read in only one way',
    todo: `Give the time with --at, or put it into the name, for example as ${FORM}`,
  },
  no_zone: {
    what: 'not certain: there is no zone',
    todo: 'Say in which zone these times are, for example with --timezone UTC. A date alone is then the start of that day',
  },
  unclear: {
    what: 'not certain: it can be read in several ways',
    todo: `Give the time with --at, or write it in the name as ${FORM}`,
  },
} as const;

const MOST_NAMED = 3;

function unknown(
  whose: string,
  verb: string,
  { what, todo }: { what: string; todo: string },
  files: readonly SavedFile[],
) {
  const named = files.slice(0, MOST_NAMED).map(shown).join(', ');
  const more = files.length > MOST_NAMED ? `, and ${files.length - MOST_NAMED} more` : '';
  const list = files.length === 0 ? '' : ` (${named}${more})`;
  return savedError('IMPORT_TIME_UNKNOWN', `${whose} ${verb} ${what}${list}`, todo);
}

/** Paths of both kinds. Only the last part counts: the folder of a file says nothing about its time. */
function baseName(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
