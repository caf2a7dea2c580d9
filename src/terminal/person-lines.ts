// Email and name below each row of a table of users: beside an id they do not fit into 80 columns.
import { clip, printable } from '../words.ts';
import { LINE_WIDTH } from './wrap.ts';

type Person = { email: string | null; name: string | null };

/** `text` is a line of column titles, then one line per person. */
export function withPersons(text: string, persons: readonly Person[]): string {
  const [head = '', ...rows] = text.split('\n');
  return [
    head,
    ...rows.flatMap((row, index) => {
      const person = persons[index];
      return person === undefined ? [row] : [row, `  ${inOneLine(person)}`];
    }),
  ].join('\n');
}

function inOneLine({ email, name }: Person): string {
  return clip(printable(`${email ?? 'no email'}, ${name ?? 'no name'}`), LINE_WIDTH - 2);
}
