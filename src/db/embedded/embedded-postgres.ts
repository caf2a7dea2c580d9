// The embedded PostgreSQL, used when DATABASE_URL is not set. It starts when needed, serves all later commands, and
// keeps running. The password is only in the URL and in its file with mode 0600.
import { installBinaries, locateBinaries } from './binaries.ts';
import { createClusterIfMissing, readPassword } from './cluster.ts';
import type { EmbeddedOptions } from './layout.ts';
import { embeddedLayout, prepareFolder, serverAccount } from './layout.ts';
import { withEmbeddedLock } from './lock.ts';
import { bringUp, findServer, serverUrl, stopServer } from './server.ts';
import type { WatcherCommand } from './watch.ts';
import { isWatched, spawnWatcher } from './watch.ts';

export type EmbeddedServer = {
  /**
   * URL of the superuser for the database `postgres`, with the password. Only for administration: create-database.ts
   * derives the product's URL from it.
   */
  url: string;
  port: number;
  dataDir: string;
};

export type StartOptions = EmbeddedOptions & {
  onProgress?: ((message: string) => void) | undefined;
  /** The command that stops the server once it is idle. Without one, the server runs until `stopEmbedded`. */
  watcher?: WatcherCommand | undefined;
  /** For tests: settings for a server that must be launched. Its cluster is then made without fsync. */
  throwAway?: Readonly<Record<string, string>> | undefined;
};

const lockWaitMs = 90_000;
const readyWaitMs = 60_000;
const stopWaitMs = 60_000;

/**
 * Returns the running server. If none is running, launches one, and `started` is true. Throws OperatorError:
 * EMBEDDED_MISSING, _ACCOUNT, _FOLDER, _LOCKED, _INITDB, _PASSWORD, _IMPOSTOR, _START.
 */
export async function startEmbedded(options: StartOptions): Promise<EmbeddedServer & { started: boolean }> {
  const onProgress = options.onProgress ?? (() => undefined);
  const account = await serverAccount();
  const layout = await prepareFolder(options, account);
  const prepare = async () => {
    const binaries = await installBinaries(layout, await locateBinaries(layout.major), onProgress);
    const sync = options.throwAway === undefined;
    await createClusterIfMissing(layout, binaries, account, { sync, onProgress });
    return { binaries, account, settings: options.throwAway ?? {} };
  };
  return withEmbeddedLock(layout.lockFile, lockWaitMs, async () => {
    const password = () => readPassword(layout);
    const { server, started } = await bringUp(layout, prepare, { password, waitMs: readyWaitMs });
    if (options.watcher && !(await isWatched(layout, server))) spawnWatcher(layout, options.watcher);
    return {
      url: serverUrl(server.port, await password()),
      port: server.port,
      dataDir: layout.dataDir,
      started,
    };
  });
}

/** Returns the server if it is running and ready. Starts nothing and changes nothing. */
export async function findEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer | undefined> {
  const layout = await embeddedLayout(options);
  const server = await findServer(layout);
  if (server?.status !== 'ready') return undefined;
  return {
    url: serverUrl(server.port, await readPassword(layout)),
    port: server.port,
    dataDir: layout.dataDir,
  };
}

/**
 * Stops the server and ends open sessions. Returns false if it was not running. Throws OperatorError: EMBEDDED_LOCKED,
 * EMBEDDED_STOP.
 */
export async function stopEmbedded(options: EmbeddedOptions): Promise<boolean> {
  const layout = await embeddedLayout(options);
  if ((await findServer(layout)) === undefined) return false;
  return withEmbeddedLock(layout.lockFile, lockWaitMs, () => stopServer(layout, stopWaitMs));
}
