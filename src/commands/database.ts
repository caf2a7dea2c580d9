// `database start|stop|url`: controls the embedded Postgres by hand. `start` leaves a `watch` process behind
// (db/embedded/watch.ts).
import { Command } from 'commander';
import { databaseUrl, demoDatabase, ensureDatabase, productDatabase } from '../db/create-database.ts';
import { findEmbedded, startEmbedded, stopEmbedded } from '../db/embedded/embedded-postgres.ts';
import { watchEmbedded } from '../db/embedded/watch.ts';
import { OperatorError } from '../errors.ts';

export type DatabaseCommandIo = {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
  embedded: { dataHome?: string | undefined; home: string };
  watcher: string[];
};

export function databaseCommand({ stdout, stderr, embedded, watcher }: DatabaseCommandIo): Command {
  const command = new Command('database').description(
    'the embedded Postgres, used when DATABASE_URL is not set',
  );

  command
    .command('start')
    .description('start it, or print where it runs (it stops after 30 idle minutes)')
    .action(async () => {
      const server = await startEmbedded({
        ...embedded,
        watcher,
        onProgress: (message) => stderr.write(`${message}\n`),
      });
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
    .description('print its URL, with the password')
    .option('--demo', 'the URL of the database that `demo` made', false)
    .action(async (options: { demo: boolean }) => {
      const server = await findEmbedded(embedded);
      if (server === undefined) throw notRunning();
      stdout.write(`${databaseUrl(server.url, options.demo ? demoDatabase : productDatabase)}\n`);
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
