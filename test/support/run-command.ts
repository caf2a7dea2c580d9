// A command in the test's own process, with its own environment, streams and folder. A new process takes 0.25 s to
// start, and most tests of commands are about the output. Tests with runCli check that main.ts and the bundle pass
// everything on.
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { tmpdir } from 'node:os';
import { CommanderError } from 'commander';
import type { Io } from '../../src/context.ts';
import { databaseError } from '../../src/db/database-errors.ts';
import { EXIT, isOperatorError, OperatorError } from '../../src/errors.ts';
import { createProgram } from '../../src/main.ts';
import { printError } from '../../src/terminal/print/print-error.ts';
import { CLI, type CliResult } from './cli.ts';

export type Controls = {
  signal?: AbortSignal;
  /** Standard output is a terminal. */
  showsOutput?: boolean;
  /** Called with all of the output, whenever something was added. */
  onStdout?: (text: string) => void;
  onStderr?: (text: string) => void;
};

/** What main.ts aborts the signal with at Ctrl-C. */
export function interruption(): OperatorError {
  return new OperatorError({
    code: 'INTERRUPTED',
    happened: 'Stopped by SIGINT',
    means: 'Nothing unfinished was published',
    todo: 'Start it again at any time',
  });
}

/**
 * Like `runCli`. Rejects with defects: anything but an error for operators or a usage error. `isTerminal`: a person
 * types `stdin` and reads the questions.
 */
export async function runCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  folder = tmpdir(),
  stdin: Readable = Readable.from([]),
  isTerminal = false,
  { signal = new AbortController().signal, showsOutput = false, onStdout, onStderr }: Controls = {},
): Promise<CliResult> {
  const [stdout, stderr] = [sink(onStdout), sink(onStderr)];
  if (showsOutput) Object.assign(stdout.stream, { isTTY: true });
  if (isTerminal) for (const stream of [stdin, stderr.stream]) Object.assign(stream, { isTTY: true });
  let code: number = EXIT.done;
  const io: Io = {
    stdout: stdout.stream,
    stderr: stderr.stream,
    stdin,
    source: { env: { PATH: process.env['PATH'] ?? '', ...env }, envFile: path.join(folder, '.env') },
    signal,
    exit: (wanted) => (code = wanted),
    watcher: [CLI, 'database', 'watch'],
  };
  try {
    const program = await createProgram(io, args[0]);
    for (const command of [program, ...program.commands, ...program.commands.flatMap((c) => c.commands)])
      command.configureOutput({
        writeOut: (text) => io.stdout.write(text),
        writeErr: (text) => io.stderr.write(text),
      });
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError) code = thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
    else {
      const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
      if (error === undefined) throw thrown;
      printError(io, error);
      code = error.exit;
    }
  }
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function sink(onText?: (text: string) => void) {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece);
      onText?.(Buffer.concat(pieces).toString());
      done();
    },
  });
  return { stream, text: () => Buffer.concat(pieces).toString() };
}
