// `database copy`: the whole history to another, empty database.
import { Command } from 'commander';
import { readConfig, type Config } from '../config.ts';
import { openDatabase, openLogger, type Database, type Io } from '../context.ts';
import { databasePlace, databaseUrlProblem, databaseUrlSecrets } from '../database-url.ts';
import { OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { noteCopied } from '../move/note-copied.ts';
import { readHistory, requireMovable } from '../move/read-history.ts';
import { writeHistory } from '../move/write-history.ts';
import { copiedText } from '../terminal/print/print-move.ts';
import { printable } from '../words.ts';
import { movingProgress, ofTarget } from './options/moving.ts';

const HELP = `
The history is read from DATABASE_URL, or from the embedded Postgres if that is
not set. Syncs may go on there: the copy is the history of one instant.

The target must be an empty database, of PostgreSQL 15 to 18. Its tables are
made first. Until every row is there and was compared, every command refuses it
(HISTORY_INCOMPLETE). After an interruption, run the same command again.

A password does not belong in --to, because every user of this machine can see
it there. Set DATABASE_COPY_TO_URL (or DATABASE_COPY_TO_URL_FILE) to the whole
URL instead, or leave the password to PGPASSWORD or ~/.pgpass.

  DATABASE_COPY_TO_URL_FILE=target.url zt-risk-sync database copy
  zt-risk-sync database copy --to postgres://risk@db.example.com/risk
  DATABASE_URL=postgres://... zt-risk-sync database copy --to embedded`;

export function databaseCopyCommand(io: Io): Command {
  return new Command('copy')
    .description('copy the whole history to an empty database, and compare every row')
    .option('--to <url>', 'its URL without a password, or "embedded"; default: DATABASE_COPY_TO_URL')
    .addHelpText('after', HELP)
    .action(async ({ to }: { to?: string }) => {
      const config = readConfig(io.source);
      const logger = openLogger(io, config);
      const targetUrl = targetOf(config, to);
      const source = await openDatabase(io, config, logger, 'refuse');
      try {
        // The embedded server is created when it is opened.
        await requireMovable(source.pool);
        const target = await openTarget(io, config, logger, targetUrl);
        try {
          await copy(io, logger, source, target, targetUrl);
        } finally {
          await target.close();
        }
      } finally {
        await source.close();
      }
    });
}

async function copy(
  io: Io,
  logger: Logger,
  source: Database,
  target: Database,
  targetUrl: string | null,
): Promise<void> {
  const began = performance.now();
  const progress = movingProgress(io, logger);
  const { signal } = io;
  const deps = { signal, onProgress: progress.to };
  const head = await readHistory({ ...deps, pool: source.pool }, async (history) => {
    try {
      await writeHistory({ ...deps, pool: target.pool }, history);
      return history.head;
    } catch (error) {
      throw ofTarget(error);
    }
  }).finally(() => progress.end());
  await noteCopied(source.pool);
  const place = targetUrl === null ? null : printable(databasePlace(targetUrl));
  io.stdout.write(copiedText({ head, ms: performance.now() - began }, place));
}

async function openTarget(
  io: Io,
  config: Config,
  logger: Logger,
  databaseUrl: string | null,
): Promise<Database> {
  try {
    return await openDatabase(io, { ...config, databaseUrl, why: 'Copying to it' }, logger, 'leave');
  } catch (error) {
    throw ofTarget(error);
  }
}

/** Null: the embedded server. Throws COPY_TARGET. */
function targetOf(config: Config, to: string | undefined): string | null {
  if (to === undefined) {
    if (config.copyToUrl === null) throw refused('No target was given');
    return config.copyToUrl;
  }
  if (config.copyToUrl !== null) throw refused('--to and DATABASE_COPY_TO_URL are both set');
  if (to === 'embedded') {
    if (config.databaseUrl === null) throw refused('The source is the embedded Postgres itself');
    return null;
  }
  const problem = databaseUrlProblem(to);
  if (problem !== null) throw refused(`The URL in --to ${problem}`);
  if (databaseUrlSecrets(to).length > 0)
    throw refused(
      'The URL in --to holds a password. It was visible in the list of processes, and may be in the history of your shell',
    );
  return to;
}

function refused(happened: string): OperatorError {
  return new OperatorError({
    code: 'COPY_TARGET',
    happened,
    means: 'Nothing was copied',
    todo: 'Put the whole URL of an empty database into DATABASE_COPY_TO_URL or DATABASE_COPY_TO_URL_FILE. Or give --to with a URL without a password, or --to embedded',
  });
}
