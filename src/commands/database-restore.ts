// `database restore <file>`: a backup into an empty database.
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { migrate } from '../db/migrate.ts';
import { readBackup } from '../move/backup-file.ts';
import { requireKnown } from '../move/prepare-target.ts';
import { writeHistory } from '../move/write-history.ts';
import { inputOf } from '../terminal/input.ts';
import { restoredText } from '../terminal/print/print-move.ts';
import { movingProgress } from './options/moving.ts';

const HELP = `
Restores into DATABASE_URL, or into the embedded Postgres if that is not set.
The database must be empty: no history is ever replaced. Until every row is
there and was compared, every command refuses it (HISTORY_INCOMPLETE). After an
interruption, run the same command again.

A backup of an earlier version is restored into its own tables, which are then
migrated. The feed gets a new epoch: see docs/feeds.md, "After a restore".

  DATABASE_URL=postgres://... zt-risk-sync database restore risk.backup
  age -d risk.backup.age | zt-risk-sync database restore -`;

export function databaseRestoreCommand(io: Io): Command {
  return new Command('restore')
    .description('put a backup into an empty database, and compare every row')
    .argument('<file>', 'the backup, or - for standard input')
    .addHelpText('after', HELP)
    .action((file: string) => restore(io, file));
}

async function restore(io: Io, file: string): Promise<void> {
  const config = readConfig(io.source);
  const logger = openLogger(io, config);
  const began = performance.now();
  const source = { file, stdin: inputOf(io), signal: io.signal };
  await readBackup(source, async (history) => {
    requireKnown(history.head.migrations, history.head.version);
    const database = await openDatabase(io, config, logger, 'leave');
    const progress = movingProgress(io, logger);
    try {
      const deps = { pool: database.pool, signal: io.signal, onProgress: progress.to };
      await writeHistory(deps, history).finally(() => progress.end());
      await migrate(database.pool);
    } finally {
      await database.close();
    }
    io.stdout.write(restoredText({ head: history.head, ms: performance.now() - began }));
  });
}
