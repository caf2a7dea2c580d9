// The only entry: arguments to commands, errors to messages and exit codes, signals to an orderly end.
import { Command, CommanderError } from 'commander';
import { accountsCommand } from './commands/accounts.ts';
import { databaseCommand, watcherCommand } from './commands/database.ts';
import { demoCommand } from './commands/demo.ts';
import { diffCommand } from './commands/diff.ts';
import { historyCommand } from './commands/history.ts';
import { doctorCommand } from './commands/doctor.ts';
import { migrateCommand } from './commands/migrate.ts';
import { rejectedCommand } from './commands/rejected.ts';
import { serveCommand } from './commands/serve.ts';
import { simulateCommand } from './commands/simulate.ts';
import { statusCommand } from './commands/status.ts';
import { printError, syncCommand } from './commands/sync.ts';
import { trendsCommand } from './commands/trends.ts';
import { usersCommand } from './commands/users.ts';
import { dataFolder, processSource } from './config.ts';
import type { Io } from './context.ts';
import { databaseError } from './db/database-errors.ts';
import { EXIT, isOperatorError, OperatorError } from './errors.ts';
import { VERSION } from './version.ts';

const interrupted = new AbortController();
let interruptedAt = 0;
// Ctrl-C under npm arrives twice: the terminal tells the whole group, and npm tells its child. No person is as fast.
const SAME_SIGNAL_MS = 250;

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupted.signal.aborted) {
      // The second one does not wait for anything.
      if (performance.now() - interruptedAt > SAME_SIGNAL_MS) process.exit(EXIT.tryLater);
      return;
    }
    interruptedAt = performance.now();
    interrupted.abort(
      new OperatorError({
        code: 'INTERRUPTED',
        exit: EXIT.tryLater,
        happened: `Stopped by ${name}`,
        means: 'Nothing half done was published',
        todo: 'Start it again when you like',
      }),
    );
  });
}

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  source: processSource(),
  signal: interrupted.signal,
  exit: (code) => {
    process.exitCode = code;
  },
  watcher: watcherCommand(),
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    if (args.length === 0) {
      process.stderr.write(program.helpInformation());
      return EXIT.usage;
    }
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? EXIT.done);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
    const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
    if (error !== undefined) {
      printError(io, error);
      return error.exit;
    }
    // A defect. Its message may hold anything, its stack names only our own places.
    const { name, stack } = thrown instanceof Error ? thrown : new Error('not an error');
    process.stderr.write(
      `error UNEXPECTED: Something unforeseen happened (${name}).\n  This is a defect of zt-risk-sync.\n  Run again with LOG_LEVEL=debug for the stack trace, and report it.\n`,
    );
    if (process.argv.length > 0 && io.source.env['LOG_LEVEL'] === 'debug') {
      process.stderr.write(`${framesOf(stack ?? '')}\n`);
    }
    return EXIT.failed;
  }
}

/** A message may have several lines, and the second one of a failed query holds its parameters. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

function createProgram(): Command {
  const program = new Command('zt-risk-sync')
    .description('Keeps the history of Cloudflare Zero Trust user risk levels in Postgres.')
    .version(VERSION)
    .showHelpAfterError('(add --help for the options)');
  const commands = [
    syncCommand(io),
    serveCommand(io),
    statusCommand(io),
    doctorCommand(io),
    trendsCommand(io),
    usersCommand(io),
    diffCommand(io),
    historyCommand(io),
    accountsCommand(io),
    rejectedCommand(io),
    migrateCommand(io),
    databaseCommand({ stdout: io.stdout, stderr: io.stderr, embedded: dataFolder(io.source) }),
    simulateCommand(io),
    demoCommand(io),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap((c) => c.commands)]) {
    command.exitOverride().showHelpAfterError('(add --help for the options)').helpCommand(false);
  }
  return program;
}
