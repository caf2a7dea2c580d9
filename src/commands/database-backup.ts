// `database backup <file>`: the whole history in one file.
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { requireNewFile, writeBackup } from '../move/backup-file.ts';
import { rowCount, type TableHead } from '../move/history.ts';
import { guessRowBytes } from '../move/moved-tables.ts';
import { noteCopied } from '../move/note-copied.ts';
import { readHistory } from '../move/read-history.ts';
import { savedText } from '../terminal/print/print-move.ts';
import { OperatorError } from '../errors.ts';
import { movingProgress } from './options/moving.ts';

const HELP = `
Reads DATABASE_URL, or the embedded Postgres if that is not set. Syncs may go
on: the backup is the history of one instant. "-" writes to standard output.

The file gets its name when it is whole, and only you can read it. It is
compressed, not encrypted, and holds every email and name. "database restore"
of this version or a newer one reads it, into PostgreSQL 15 to 18.

  zt-risk-sync database backup risk-$(date +%F).backup
  zt-risk-sync database backup - | age -r <key> > risk.backup.age`;

export function databaseBackupCommand(io: Io): Command {
  return new Command('backup')
    .description('save the whole history in one file')
    .argument('<file>', 'where to, or - for standard output')
    .option('--force', 'replace the file if it exists', false)
    .addHelpText('after', HELP)
    .action((file: string, { force }: { force: boolean }) => backup(io, file, force));
}

async function backup(io: Io, file: string, force: boolean): Promise<void> {
  if (file === '-' && io.stdout.isTTY === true) throw toTerminal();
  requireNewFile(file, force);
  const config = readConfig(io.source);
  const logger = openLogger(io, config);
  const database = await openDatabase(io, config, logger, 'refuse');
  const progress = movingProgress(io, logger);
  const began = performance.now();
  try {
    const deps = { pool: database.pool, signal: io.signal, onProgress: progress.to };
    const saved = await readHistory(deps, async (history) => {
      const target = { file, stdout: io.stdout as NodeJS.WriteStream, signal: io.signal };
      const bytes = await writeBackup(target, history, counter(rowCount(history.head), progress.to));
      return { head: history.head, bytes };
    }).finally(() => progress.end());
    await noteCopied(database.pool);
    const text = savedText({ head: saved.head, ms: performance.now() - began }, file, saved.bytes);
    (file === '-' ? io.stderr : io.stdout).write(text);
  } finally {
    await database.close();
  }
}

/** Converts bytes into an approximate number of rows. */
function counter(total: number, onProgress: ReturnType<typeof movingProgress>['to']) {
  let rows = 0;
  return ({ name }: TableHead, bytes: number) => {
    rows = Math.min(total, rows + bytes / guessRowBytes(name));
    onProgress({ table: name, rows: Math.floor(rows), total });
  };
}

function toTerminal(): OperatorError {
  return new OperatorError({
    code: 'COPY_TARGET',
    happened: 'Standard output is a terminal',
    means: 'A backup is not text, so nothing was written',
    todo: 'Give the name of a file, or send standard output into a file or another program',
  });
}
