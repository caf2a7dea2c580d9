// Prints an error, the same way for every command. An old Node must be able to read this file and its imports.
import type { OperatorError } from '../../errors.ts';
import { wrap } from '../wrap.ts';

type ErrorIo = { stderr: { write(text: string): unknown; isTTY?: boolean; columns?: number } };

/** Wrapped on a terminal. Elsewhere each sentence stays one line, for searches in a log. */
export function printError({ stderr }: ErrorIo, error: OperatorError): void {
  // A terminal without a size reports 0.
  const width = stderr.isTTY === true ? stderr.columns || Infinity : Infinity;
  const sentence = (text: string) => wrap(`${text}.`, 2, width);
  stderr.write(
    `${sentence(`error ${error.code}: ${error.happened}`)}\n  ${sentence(error.means)}\n  ${sentence(error.todo)}\n`,
  );
}
