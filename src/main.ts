// Turns arguments into a command, errors into messages and exit codes, and signals into an orderly end. Loads only the
// requested command: all of them together take 100 ms and 15 MB more.
import { Command, CommanderError } from 'commander';
import { offerJson } from './commands/options/format.ts';
import { suggestChoices } from './commands/options/suggestions.ts';
import { printError } from './terminal/print/print-error.ts';
import { dataFolder, processSource, wantsStackTraces } from './config.ts';
import type { Io } from './context.ts';
import { databaseError } from './db/database-errors.ts';
import { EXIT, isOperatorError, OperatorError, stackOf } from './errors.ts';
import { VERSION } from './version.ts';

// Ctrl-C under npm arrives twice: the terminal signals the whole group, and npm signals its child. No person is that
// fast.
const SAME_SIGNAL_MS = 250;

const COMMANDS: Readonly<Record<string, (io: Io) => Promise<Command>>> = {
  sync: async (io) => (await import('./commands/sync.ts')).syncCommand(io),
  serve: async (io) => (await import('./commands/serve/serve.ts')).serveCommand(io),
  status: async (io) => (await import('./commands/status.ts')).statusCommand(io),
  doctor: async (io) => (await import('./commands/doctor/doctor.ts')).doctorCommand(io),
  changes: async (io) => (await import('./commands/changes.ts')).changesCommand(io),
  trends: async (io) => (await import('./commands/trends.ts')).trendsCommand(io),
  users: async (io) => (await import('./commands/users.ts')).usersCommand(io),
  diff: async (io) => (await import('./commands/diff.ts')).diffCommand(io),
  history: async (io) => (await import('./commands/history.ts')).historyCommand(io),
  report: async (io) => (await import('./commands/report.ts')).reportCommand(io),
  export: async (io) => (await import('./commands/export.ts')).exportCommand(io),
  contract: async (io) => (await import('./commands/contract.ts')).contractCommand(io),
  import: async (io) => (await import('./commands/import.ts')).importCommand(io),
  publication: async (io) => (await import('./commands/publication.ts')).publicationCommand(io),
  accounts: async (io) => (await import('./commands/accounts.ts')).accountsCommand(io),
  rejected: async (io) => (await import('./commands/rejected.ts')).rejectedCommand(io),
  prune: async (io) => (await import('./commands/prune.ts')).pruneCommand(io),
  privacy: async (io) => {
    const [{ privacyCommand }, { privacyApplyCommand }] = await Promise.all([
      import('./commands/privacy.ts'),
      import('./commands/privacy-apply.ts'),
    ]);
    return privacyCommand(io).addCommand(privacyApplyCommand(io));
  },
  person: async (io) => (await import('./commands/person.ts')).personCommand(io),
  erase: async (io) => (await import('./commands/erase.ts')).eraseCommand(io),
  erased: async (io) => (await import('./commands/erased.ts')).erasedCommand(io),
  migrate: async (io) => (await import('./commands/migrate.ts')).migrateCommand(io),
  database: async (io) => {
    const [
      { databaseCommand },
      { databaseCopyCommand },
      { databaseBackupCommand },
      { databaseRestoreCommand },
    ] = await Promise.all([
      import('./commands/database.ts'),
      import('./commands/database-copy.ts'),
      import('./commands/database-backup.ts'),
      import('./commands/database-restore.ts'),
    ]);
    const command = databaseCommand({
      stdout: io.stdout,
      stderr: io.stderr,
      embedded: dataFolder(io.source),
      watcher: io.watcher,
      env: io.source.env,
      exit: (code) => io.exit(code),
    });
    for (const one of [databaseCopyCommand, databaseBackupCommand, databaseRestoreCommand])
      command.addCommand(one(io));
    return command;
  },
  simulate: async (io) => (await import('./commands/simulate.ts')).simulateCommand(io),
  demo: async (io) => (await import('./commands/demo.ts')).demoCommand(io),
  completion: async (io) =>
    (await import('./commands/completion.ts')).completionCommand(io, () => createProgram(io)),
};

/** Runs the command, and returns the exit code of the process. */
export async function main(args: readonly string[]): Promise<number> {
  const outputFailed = watchOutput();
  const code = await runCommand(args);
  return code === EXIT.done && outputFailed() ? EXIT.failed : code;
}

async function runCommand(args: readonly string[]): Promise<number> {
  const io = createIo();
  // Node's own report has the message of the error, which may hold anything.
  process.on('uncaughtException', (thrown) => process.exit(reportDefect(io, thrown)));
  try {
    const program = await createProgram(io, args[0]);
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
      if (error.code === 'UNEXPECTED') printStack(io, error.cause);
      return error.exit;
    }
    return reportDefect(io, thrown);
  }
}

/** A defect. Its message may hold anything, so it is not shown. */
function reportDefect(io: Io, thrown: unknown): number {
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  io.stderr.write(
    `error UNEXPECTED: An unexpected error occurred (${name}).\n  This is a defect of zt-risk-sync.\n  Run again with LOG_LEVEL=debug for the stack trace, and report it.\n`,
  );
  printStack(io, thrown);
  return EXIT.failed;
}

/** If LOG_LEVEL asks for it. */
function printStack(io: Io, error: unknown): void {
  if (wantsStackTraces(io.source)) io.stderr.write(`${stackOf(error)}\n`);
}

/** Reports once that the output cannot be written. The command continues: a sync does more than print. */
function watchOutput(): () => boolean {
  let hasFailed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that stops early (`| head`) is no error.
    if (hasFailed || error.code === 'EPIPE') return;
    hasFailed = true;
    printError(process, outputFailed(error.code ?? 'unknown'));
    // The error may arrive after the end of the command.
    process.exitCode ||= EXIT.failed;
  });
  // There is no other place to report that messages cannot be written. A service without its log continues.
  process.stderr.on('error', () => undefined);
  return () => hasFailed;
}

function outputFailed(why: string): OperatorError {
  return new OperatorError({
    code: 'OUTPUT_FAILED',
    happened: `The output could not be written (${why})`,
    means: 'What was written is not complete. The command itself went on to its end',
    todo: 'Free some space where the output goes, or write it to another place. Then run the command again',
  });
}

function createIo(): Io {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    source: processSource(),
    signal: abortOnSignals(),
    exit: (code) => {
      process.exitCode = code;
    },
    watcher: [process.argv[1] ?? '', 'database', 'watch'],
  };
}

/** Aborted by the first SIGINT or SIGTERM. A second one ends the process. */
function abortOnSignals(): AbortSignal {
  const interrupted = new AbortController();
  let interruptedAt = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) {
        if (performance.now() - interruptedAt > SAME_SIGNAL_MS) process.exit(EXIT.tryLater);
        return;
      }
      interruptedAt = performance.now();
      interrupted.abort(
        new OperatorError({
          code: 'INTERRUPTED',
          happened: `Stopped by ${name}`,
          means: 'Nothing unfinished was published',
          todo: 'Start it again at any time',
        }),
      );
    });
  }
  return interrupted.signal;
}

/** Loads only the command `name`. If no such command exists, loads all of them, for the help and for suggestions. */
export async function createProgram(io: Io, name = ''): Promise<Command> {
  const program = new Command('zt-risk-sync')
    .description('Keeps the history of Cloudflare Zero Trust user risk levels in Postgres.')
    .version(VERSION)
    .showHelpAfterError('(add --help for the options)');
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const chosen = named === undefined ? Object.values(COMMANDS) : [named];
  const commands = await Promise.all(chosen.map((load) => load(io)));
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap((c) => c.commands)]) {
    command.exitOverride().helpCommand(false).showHelpAfterError(hintOf(command));
    offerJson(command);
    suggestChoices(command);
  }
  for (const command of commands) refuseUnknown(command);
  return program;
}

function hintOf(command: Command): string {
  const names = command.parent === null ? [] : shownCommands(command).map((one) => one.name());
  return names.length === 0
    ? '(add --help for the options)'
    : `(the commands are ${names.join(', ')}; add --help for the options)`;
}

function shownCommands(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

/**
 * A command with a default subcommand mistakes a mistyped name for an argument of the default one. None of the defaults
 * has arguments.
 */
function refuseUnknown(command: Command): void {
  command.hook('preSubcommand', (_, chosen) => {
    const [name] = command.args;
    if (name === undefined || name.startsWith('-') || command.commands.some((one) => one.name() === name))
      return;
    // Commander makes this message, with its suggestion, for commands that Commander itself finds unknown.
    if (chosen.registeredArguments.length === 0)
      (command as Command & { unknownCommand(): void }).unknownCommand();
  });
}
