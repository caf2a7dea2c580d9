// The server process of one data directory: identifies it, launches it, waits for it, stops it. Takes no lock.
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOperatorError, OperatorError } from '../../errors.ts';
import { EmbeddedClient } from './embedded-client.ts';
import type { Launch, Launched } from './launch.ts';
import { launchServer } from './launch.ts';
import type { EmbeddedLayout } from './layout.ts';
import { logTail } from './log.ts';
import { processCommand, processOwner } from '../../host/processes.ts';

export type ServerProcess = { pid: number; port: number; status: 'ready' | 'starting' | 'stopping' };

const pollMs = 30;

/**
 * The live server of this data directory, according to its postmaster.pid. Undefined if that file is missing or stale.
 */
export async function findServer(layout: EmbeddedLayout): Promise<ServerProcess | undefined> {
  const text = await readFile(layout.pidFile, 'utf8').catch(() => undefined);
  // Lines of postmaster.pid: 1 pid, 4 port, 8 status ("ready", "standby", "starting", "stopping").
  const lines = text?.split('\n').map((line) => line.trim()) ?? [];
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await isPostmaster(pid, layout))) return undefined;
  const status = lines[7] === 'ready' || lines[7] === 'stopping' ? lines[7] : 'starting';
  return { pid, port: Number(lines[3]), status };
}

/**
 * Any user can start a process with our data directory in its arguments, and after a crash that process may also get
 * the pid. So the process must belong to the owner of the data.
 */
async function isPostmaster(pid: number, layout: EmbeddedLayout): Promise<boolean> {
  const command = await processCommand(pid);
  if (process.platform === 'win32') return command !== undefined;
  if (command === undefined || !command.includes(layout.dataDir)) return false;
  const data = await stat(layout.dataDir).catch(() => undefined);
  return data !== undefined && (await processOwner(pid)) === data.uid;
}

/**
 * Waits until a server answers on a real connection. Whenever none is running, launches one. Throws EMBEDDED_START,
 * with the last lines of the log, after five failed launches or after `waitMs`.
 */
export async function bringUp(
  layout: EmbeddedLayout,
  launch: () => Promise<Launch>,
  options: { password: () => Promise<string>; waitMs: number },
): Promise<{ server: ServerProcess; started: boolean }> {
  const deadline = performance.now() + options.waitMs;
  let launched: Launched | undefined;
  let launches = 0;
  while (performance.now() < deadline) {
    const server = await findServer(layout);
    if (server?.status === 'ready') {
      if (await answers(serverUrl(server.port, await options.password())))
        return { server, started: server.pid === launched?.pid };
    } else if (server === undefined && (launched === undefined || launched.ended())) {
      if (launches === 5) break;
      // Another program may have taken the port, or the children of a killed server may still be running.
      if (launches > 0) await sleep(200 * launches);
      launches += 1;
      launched = await launchServer(layout, await launch(), { newPort: launches > 1 });
    }
    await sleep(pollMs);
  }
  throw new OperatorError({
    code: 'EMBEDDED_START',
    happened: `The embedded Postgres does not start: ${launched?.error() ?? (await logTail(layout))}`,
    means: 'The data is unchanged',
    todo: `Read ${layout.logFile}, or set DATABASE_URL`,
  });
}

/** The superuser's URL, with the password. Without sslmode, PGSSLMODE from the environment would decide. */
export function serverUrl(port: number, password: string, database = 'postgres'): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
}

/** Throws EMBEDDED_PASSWORD, or EMBEDDED_IMPOSTOR if another program answers. */
async function answers(url: string): Promise<boolean> {
  const limits = { connectionTimeoutMillis: 5_000, query_timeout: 5_000 };
  const client = new EmbeddedClient({ connectionString: url, ...limits });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (cause) {
    if (isOperatorError(cause)) throw cause;
    if (!String((cause as { code?: string }).code).startsWith('28')) return false;
    throw new OperatorError({
      code: 'EMBEDDED_PASSWORD',
      happened: 'The embedded Postgres refuses the password that is stored beside its data',
      means: 'The password was changed, so no client can connect',
      todo: 'Give the user postgres the stored password again, or set DATABASE_URL',
      cause,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A fast shutdown: ends sessions and writes out data. Throws EMBEDDED_STOP after `waitMs`. */
export async function stopServer(layout: EmbeddedLayout, waitMs: number): Promise<boolean> {
  const server = await findServer(layout);
  if (server === undefined) return false;
  process.kill(server.pid, 'SIGINT');
  const deadline = performance.now() + waitMs;
  while ((await processCommand(server.pid))?.includes(layout.dataDir)) {
    if (performance.now() > deadline) {
      throw new OperatorError({
        code: 'EMBEDDED_STOP',
        happened: `The embedded Postgres (process ${server.pid}) does not stop`,
        means: 'It was told to stop, and may still do so',
        todo: `Read ${layout.logFile}, and try again`,
      });
    }
    await sleep(pollMs);
  }
  return true;
}
