// What an address chooses from a few words. Pure.
import { OperatorError } from '../../errors.ts';

/** Null if nothing is chosen. An empty text counts as nothing. Throws SCOPE_INVALID. */
export function chosenOf<Word extends string>(
  name: string,
  text: string | null | undefined,
  words: readonly Word[],
): Word | null {
  if (!text) return null;
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw unreadableParameter(name, `one of ${words.join(', ')}`);
}

export function unreadableParameter(name: string, wanted: string): OperatorError {
  return new OperatorError({
    code: 'SCOPE_INVALID',
    happened: `The parameter ${name} of this address cannot be read`,
    means: 'It is not known what is to be shown',
    todo: `Give ${wanted}`,
  });
}
