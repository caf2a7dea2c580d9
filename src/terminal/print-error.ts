// How every command says what went wrong. Imports nothing that runs: an old Node must be able to read it.
import type { OperatorError } from '../errors.ts';

export function printError(io: { stderr: { write(text: string): unknown } }, error: OperatorError): void {
  io.stderr.write(`error ${error.code}: ${error.happened}.\n  ${error.means}.\n  ${error.todo}.\n`);
}
