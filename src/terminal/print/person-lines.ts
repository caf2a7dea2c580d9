// Email and name of each row of a table of users: beside the row where they fit, otherwise below it.
import { printable } from '../../words.ts';
import { fits, fitText, table, type Cell, type Column } from '../table.ts';

type Person = { email: string | null; name: string | null };

/** The table of `persons`, with one row for each. */
export function personTable(
  columns: readonly Column[],
  persons: readonly Person[],
  rowOf: (at: number) => Cell[],
  width: number,
): string {
  const rows = persons.map((_, at) => rowOf(at));
  const wideColumns = [
    ...columns,
    { name: 'email', shrinks: true as const },
    { name: 'name', shrinks: true as const },
  ];
  const wideRows = persons.map(({ email, name }, at) => [...(rows[at] ?? []), email, name]);
  if (fits(wideColumns, wideRows, width)) return table(wideColumns, wideRows, width);
  const [head = '', ...lines] = table(columns, rows, width).split('\n');
  const below = persons.map((person) => `  ${fitText(inOneLine(person), width - 2)}`);
  return [head, ...lines.flatMap((line, at) => [line, below[at] ?? ''])].join('\n');
}

function inOneLine({ email, name }: Person): string {
  return printable(`${email ?? 'no email'}, ${name ?? 'no name'}`);
}
