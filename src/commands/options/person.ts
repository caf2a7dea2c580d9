// The argument that names a person: a whole user id or an email, also from standard input.
import { createInterface } from 'node:readline';
import { Argument } from 'commander';
import { readAsked, type WantedPerson } from '../../answers/person/find-persons.ts';
import type { Io } from '../../context.ts';
import { OperatorError } from '../../errors.ts';
import { inputOf } from '../../terminal/input.ts';

export function personArgument(): Argument {
  return new Argument('<user>', 'a whole user id, or an email; - reads it from standard input');
}

/** Throws PERSON_UNCLEAR (exit 64). The input is not repeated, because it may be a name. */
export async function askedPerson(io: Io, given: string): Promise<WantedPerson> {
  const asked = readAsked((given === '-' ? await firstLine(io) : given).trim());
  if (asked !== null) return asked;
  throw new OperatorError({
    code: 'PERSON_UNCLEAR',
    happened: 'What was given is no whole user id, and no email',
    means: 'It must be certain who is meant, so the beginning of an id or a name is not enough',
    todo: 'Find the id with `zt-risk-sync users --search <text>` (with --identities also by name), and give all of it',
  });
}

async function firstLine(io: Io): Promise<string> {
  const lines = createInterface({ input: inputOf(io) });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}
