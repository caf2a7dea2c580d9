// One question to a person at the terminal, answered with yes or no.
import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import { inputOf } from './input.ts';

/** Anything but y or yes means no. Throws signal.reason. */
export async function askYesNo(
  io: { stdin?: Readable; stderr: NodeJS.WritableStream; signal: AbortSignal },
  question: string,
): Promise<boolean> {
  const lines = createInterface({ input: inputOf(io), output: io.stderr, terminal: false });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: io.signal });
    return /^\s*y(?:es)?\s*$/i.test(answer);
  } catch (error) {
    throw io.signal.aborted ? io.signal.reason : error;
  } finally {
    lines.close();
  }
}
