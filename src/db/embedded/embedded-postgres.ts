// An embedded Postgres for those who have set no DATABASE_URL: started when needed, shared by whoever comes next,
// left running. The password is in the URL and in its 0600 file, and nowhere else.
import { installBinaries, locateBinaries } from './binaries.ts';
import { createClusterIfMissing, readPassword } from './cluster.ts';
import type { EmbeddedOptions } from './layout.ts';
import { embeddedLayout, prepareFolder, serverAccount } from './layout.ts';
import { withEmbeddedLock } from './lock.ts';
import { bringUp, findServer, serverUrl, stopServer } from './server.ts';
import type { WatcherCommand } from './watch.ts';
import { spawnWatcher } from './watch.ts';

export type EmbeddedServer = {
  /** Of the superuser on the database `postgres`, with the password. */
  url: string;
  port: number;
  dataDir: string;
};

export type StartOptions = EmbeddedOptions & {
  onProgress?: ((message: string) => void) | undefined;
  /** What stops the server once it is idle. Without one it runs until `stopEmbedded`. */
  watcher?: WatcherCommand | undefined;
  /** Settings for the server when it has to be launched, and no fsync while its cluster is made: for tests. */
  throwAway?: Readonly<Record<string, string>> | undefined;
};

const lockWaitMs = 90_000;
const readyWaitMs = 60_000;
const stopWaitMs = 60_000;

/**
 * The running server, launched if there is none (`started`).
 * Throws OperatorError: EMBEDDED_MISSING, _ACCOUNT, _FOLDER, _LOCKED, _INITDB, _PASSWORD, _START.
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
    const { server, started, watched } = await bringUp(layout, prepare, { password, waitMs: readyWaitMs });
    if (!watched && options.watcher) spawnWatcher(layout, options.watcher);
    return {
      url: serverUrl(server.port, await password()),
      port: server.port,
      dataDir: layout.dataDir,
      started,
    };
  });
}

/** The server if it is running and ready. Starts nothing, changes nothing. */
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

/** True when it was running. Open sessions are ended. Throws OperatorError: EMBEDDED_LOCKED, EMBEDDED_STOP. */
export async function stopEmbedded(options: EmbeddedOptions): Promise<boolean> {
  const layout = await embeddedLayout(options);
  if ((await findServer(layout)) === undefined) return false;
  return withEmbeddedLock(layout.lockFile, lockWaitMs, () => stopServer(layout, stopWaitMs));
}
