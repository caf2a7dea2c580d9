// Launches a server process on a data directory that has no server (the caller has checked this). Does not wait until
// the server is ready.
import { spawn } from 'node:child_process';
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { serverEnvironment } from './cluster.ts';
import type { EmbeddedLayout, ServerAccount } from './layout.ts';
import { openLog } from './log.ts';
import { pidIsTaken } from '../../host/processes.ts';

export type Launch = {
  binaries: string;
  account: ServerAccount;
  settings: Readonly<Record<string, string>>;
};

export type Launched = { pid: number | undefined; ended: () => boolean; error: () => string | undefined };

export async function launchServer(
  layout: EmbeddedLayout,
  launch: Launch,
  { newPort }: { newPort: boolean },
): Promise<Launched> {
  await disownStalePid(layout, launch.account);
  const port = await choosePort(layout, newPort);
  const log = await openLog(layout);
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    // A client that stops in the middle of its login blocks DROP DATABASE (measured: for a minute, the default).
    authentication_timeout: '5s',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    // Statements and details quote values: emails and names must not reach the log.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    ...launch.settings,
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(
    path.join(launch.binaries, 'bin', 'postgres'),
    ['-D', layout.dataDir, '-p', String(port), ...options],
    {
      cwd: layout.folder,
      env: serverEnvironment,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
      ...launch.account,
    },
  );
  let error: string | undefined;
  child.on('error', (cause) => {
    error = cause.message;
  });
  child.unref();
  await log.close();
  return {
    pid: child.pid,
    ended: () => error !== undefined || child.exitCode !== null || child.signalCode !== null,
    error: () => error,
  };
}

/**
 * PostgreSQL handles a postmaster.pid of a process that is gone. But it refuses to start if the pid now belongs to
 * another process of the same user (measured), and it would also refuse for a zombie. The file must stay, because it
 * also names the shared memory. PostgreSQL checks that memory to make sure that the last backends are gone. So only the
 * pid is replaced, by the parent's pid, which PostgreSQL ignores.
 */
async function disownStalePid(layout: EmbeddedLayout, account: ServerAccount): Promise<void> {
  const text = await readFile(layout.pidFile, 'utf8').catch(() => undefined);
  const pid = Number.parseInt(text ?? '', 10);
  if (text === undefined || !(pid > 1 && pidIsTaken(pid))) return;
  const copy = `${layout.pidFile}.new`;
  await rm(copy, { force: true });
  await writeFile(copy, text.replace(/^-?\d+/, String(process.pid)), { flag: 'wx', mode: 0o600 });
  if (account) await chown(copy, account.uid, account.gid);
  await rename(copy, layout.pidFile);
}

async function choosePort(layout: EmbeddedLayout, newPort: boolean): Promise<number> {
  const remembered = Number(await readFile(layout.portFile, 'utf8').catch(() => ''));
  const port = (!newPort && remembered > 0 ? await freePort(remembered) : undefined) ?? (await freePort(0));
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  await writeFile(layout.portFile, String(port), { mode: 0o600 });
  return port;
}

async function freePort(wanted: number): Promise<number | undefined> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(undefined));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
