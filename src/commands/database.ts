// `database start|stop|url|psql`: controls the embedded Postgres by hand. `start` leaves a `watch` process behind
// (db/embedded/watch.ts). main.ts adds copy, backup and restore, which work on any database.
import { Command } from 'commander';
import { databaseUrl, demoDatabase, ensureDatabase, productDatabase } from '../db/create-database.ts';
import { findEmbedded, startEmbedded, stopEmbedded } from '../db/embedded/embedded-postgres.ts';
import { findPsql, keepPasswordFile, psqlEnvironment, runPsql } from '../db/embedded/psql.ts';
import { watchEmbedded } from '../db/embedded/watch.ts';
import { WORKER } from '../db/embedded/worker-role.ts';
import { OperatorError } from '../errors.ts';

export type DatabaseCommandIo = {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
  embedded: { dataHome?: string | undefined; home: string };
  watcher: string[];
  env: Readonly<Record<string, string | undefined>>;
  exit: (code: number) => void;
};

export function databaseCommand(io: DatabaseCommandIo): Command {
  const { stdout, stderr, embedded, watcher, env, exit } = io;
  const command = new Command('database').description(
    'the embedded Postgres, used when DATABASE_URL is not set; and whole histories, moved anywhere',
  );
  const start = () =>
    startEmbedded({ ...embedded, watcher, onProgress: (message) => stderr.write(`${message}\n`) });

  command
    .command('start')
    .description('start it, or print where it runs (it stops after 30 idle minutes)')
    .action(async () => {
      const server = await start();
      await ensureDatabase(server.url, productDatabase);
      const verb = server.started ? 'started' : 'already running';
      stdout.write(`${verb}: 127.0.0.1:${server.port}, data in ${server.dataDir}\n`);
    });

  command
    .command('stop')
    .description('stop it; its data stays')
    .action(async () => {
      stdout.write((await stopEmbedded(embedded)) ? 'stopped\n' : 'was not running\n');
    });

  command
    .command('url')
    .description(`print its URL, with the password of ${WORKER}, which is no superuser`)
    .option('--demo', 'the URL of the database that `demo` made', false)
    .action(async ({ demo }: { demo: boolean }) => {
      const server = await findEmbedded(embedded);
      if (server === undefined) throw notRunning();
      const url = await ensureDatabase(server.url, productDatabase);
      stdout.write(`${demo ? databaseUrl(url, demoDatabase) : url}\n`);
    });

  command
    .command('psql')
    .description('open it in psql, starting it if needed; the password is in no argument and no variable')
    .argument('[options...]', 'for psql, such as -c "select 1"')
    .option('--demo', 'open the database that `demo` made', false)
    .allowUnknownOption()
    .action(async (args: string[], { demo }: { demo: boolean }) => {
      const psql = findPsql(env);
      const url = await ensureDatabase((await start()).url, productDatabase);
      const passwordFile = await keepPasswordFile(embedded, url);
      const wanted = demo ? databaseUrl(url, demoDatabase) : url;
      exit(runPsql(psql, args, psqlEnvironment(env, wanted, passwordFile)));
    });

  command
    .command('watch', { hidden: true })
    .requiredOption('--data-home <folder>')
    .option('--idle-ms <number>', 'stop after this idle time', Number)
    .option('--every-ms <number>', 'check this often', Number)
    .action(async (options: { dataHome: string; idleMs?: number; everyMs?: number }) => {
      await watchEmbedded({ ...options, home: embedded.home });
    });

  return command;
}

function notRunning(): OperatorError {
  return new OperatorError({
    code: 'EMBEDDED_NOT_RUNNING',
    happened: 'The embedded Postgres is not running',
    means: 'There is no URL to connect to',
    todo: 'Start it with: zt-risk-sync database start',
  });
}
