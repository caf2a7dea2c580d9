// Email and name of each row of a table of users: beside the row if they fit, otherwise below it.
import { IDENTITY_FIELDS, type Identity } from '../../user-risk.ts';
import { printable } from '../../words.ts';
import { fits, fitText, table, type Cell, type Column } from '../table.ts';

/** `erased_at`: set if the person was erased. */
type PersonRow = Identity & { erased_at?: string | null };

/** The table of `persons`, with one row for each. */
export function personTable(
  columns: readonly Column[],
  persons: readonly PersonRow[],
  rowOf: (at: number) => Cell[],
  width: number,
): string {
  const rows = persons.map((_, at) => rowOf(at));
  const wideColumns = [...columns, ...IDENTITY_FIELDS.map((name) => ({ name, shrinks: true as const }))];
  const wideRows = persons.map((person, at) => [
    ...(rows[at] ?? []),
    ...IDENTITY_FIELDS.map((field, nth) => (nth === 0 && isErased(person) ? ERASED : person[field])),
  ]);
  if (fits(wideColumns, wideRows, width)) return table(wideColumns, wideRows, width);
  const [head = '', ...lines] = table(columns, rows, width).split('\n');
  const below = persons.map((person) => `  ${fitText(inOneLine(person), width - 2)}`);
  return [head, ...lines.flatMap((line, at) => [line, below[at] ?? ''])].join('\n');
}

const ERASED = 'erased';

function isErased({ erased_at }: PersonRow): boolean {
  return erased_at != null;
}

function inOneLine(person: PersonRow): string {
  if (isErased(person)) return ERASED;
  return printable(IDENTITY_FIELDS.map((field) => person[field] ?? `no ${field}`).join(', '));
}
