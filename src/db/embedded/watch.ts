// Stops the embedded PostgreSQL after it has been idle for a while, and keeps its log short. Runs as its own process,
// because the server outlives the process that started it. Reads the password from its file, so that argv holds no
// secret.
import { spawn } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPassword, serverEnvironment } from './cluster.ts';
import { EmbeddedClient } from './embedded-client.ts';
import type { EmbeddedLayout, EmbeddedOptions } from './layout.ts';
import { embeddedLayout } from './layout.ts';
import { withEmbeddedLock } from './lock.ts';
import { trimLog } from './log.ts';
import { processStart } from '../../host/processes.ts';
import { findServer, serverUrl, stopServer } from './server.ts';

export type WatchOptions = EmbeddedOptions & { idleMs?: number | undefined; everyMs?: number | undefined };

/** Arguments for Node that run `watchEmbedded`, such as `['/…/dist/cli.js', 'database', 'watch']`. */
export type WatcherCommand = readonly string[];

/** Starts a watcher that outlives this process. Adds `--data-home <folder>` to its arguments. */
export function spawnWatcher(layout: EmbeddedLayout, command: WatcherCommand): void {
  // A watcher needs little memory. Without these limits, Node lets the heap grow before it collects garbage.
  const node = ['--max-old-space-size=48', '--max-semi-space-size=1'];
  const child = spawn(process.execPath, [...node, ...command, '--data-home', path.dirname(layout.folder)], {
    cwd: layout.folder,
    env: serverEnvironment,
    detached: true,
    windowsHide: true,
    stdio: 'ignore',
  });
  // If no watcher starts, the only harm is that the server keeps running.
  child.on('error', () => undefined);
  child.unref();
}

/** Resolves when the server has stopped or is gone, or at once if another watcher runs. */
export async function watchEmbedded(options: WatchOptions): Promise<'stopped' | 'gone' | 'watched'> {
  const { idleMs = 30 * 60_000, everyMs = 60_000 } = options;
  const layout = await embeddedLayout(options);
  const server = await findServer(layout);
  if (server === undefined) return 'gone';
  const connectionString = serverUrl(server.port, await readPassword(layout));
  const client = new EmbeddedClient({ connectionString, application_name: 'zt-risk-sync database watch' });
  const gone = new AbortController();
  client.on('error', () => gone.abort());
  client.on('end', () => gone.abort());
  try {
    await client.connect();
    if (!(await becomeWatcher(layout, server))) return 'watched';
    return await watch(layout, client, { idleMs, everyMs, signal: gone.signal });
  } catch (error) {
    if (gone.signal.aborted) return 'gone';
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

type Watcher = { server: number; pid: number; start: string | undefined };

/**
 * Whether a process watches this server. The mark is a file in our folder, because every user of a server can lock
 * things in it.
 */
export async function isWatched(layout: EmbeddedLayout, server: { pid: number }): Promise<boolean> {
  const text = await readFile(layout.watcherFile, 'utf8').catch(() => '{}');
  const watcher = JSON.parse(text) as Partial<Watcher>;
  if (watcher.server !== server.pid || watcher.pid === undefined) return false;
  return watcher.start !== undefined && (await processStart(watcher.pid)) === watcher.start;
}

/** False: another process watches the server. The file stays afterwards, but then names a server that has stopped. */
async function becomeWatcher(layout: EmbeddedLayout, server: { pid: number }): Promise<boolean> {
  return withEmbeddedLock(layout.lockFile, 60_000, async () => {
    if (await isWatched(layout, server)) return false;
    const { pid } = process;
    const watcher: Watcher = { server: server.pid, pid, start: await processStart(pid) };
    await writeFile(`${layout.watcherFile}.new`, JSON.stringify(watcher), { mode: 0o600 });
    await rename(`${layout.watcherFile}.new`, layout.watcherFile);
    return true;
  });
}

async function watch(
  layout: EmbeddedLayout,
  client: EmbeddedClient,
  { idleMs, everyMs, signal }: { idleMs: number; everyMs: number; signal: AbortSignal },
): Promise<'stopped'> {
  let usage = await readUsage(client);
  let idleSince = performance.now();
  for (;;) {
    await sleep(everyMs, undefined, { signal });
    await trimLog(layout);
    const before = usage;
    usage = await readUsage(client);
    if (usage.clients > 0 || usage.sessions !== before.sessions) idleSince = performance.now();
    if (performance.now() - idleSince < idleMs) continue;
    // Under the lock, so that no command gets the URL of a server that is about to stop.
    const stopped = await withEmbeddedLock(layout.lockFile, 1_000, async () => {
      const now = await readUsage(client);
      if (now.clients > 0 || now.sessions !== usage.sessions) return false;
      return stopServer(layout, 60_000);
    }).catch(() => false);
    if (stopped) return 'stopped';
  }
}

/** `sessions` counts all sessions so far, so it also shows short ones between two checks. */
async function readUsage(client: EmbeddedClient): Promise<{ clients: number; sessions: string }> {
  const { rows } = await client.query<{ clients: number; sessions: string }>(`
    select (select count(*)::int from pg_stat_activity
             where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()) as clients,
           (select sum(sessions)::text from pg_stat_database) as sessions`);
  return rows[0]!;
}
