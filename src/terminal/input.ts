// The standard input of a command. That of the process is opened only when somebody reads it.
import type { Readable } from 'node:stream';

type Input = Readable & { isTTY?: boolean };

export function inputOf({ stdin }: { stdin?: Input }): Input {
  return stdin ?? process.stdin;
}
