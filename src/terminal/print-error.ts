// Prints an error, the same way for every command. Imports only types: an old Node must be able to read this file.
import type { OperatorError } from '../errors.ts';

export function printError(io: { stderr: { write(text: string): unknown } }, error: OperatorError): void {
  io.stderr.write(`error ${error.code}: ${error.happened}.\n  ${error.means}.\n  ${error.todo}.\n`);
}
