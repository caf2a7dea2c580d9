// A temporary Postgres for a test run: in a temporary folder, without fsync, and removed even when the run is killed.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installBinaries, locateBinaries } from '../../../../src/db/embedded/binaries.ts';
import { createClusterIfMissing } from '../../../../src/db/embedded/cluster.ts';
import { startEmbedded, stopEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';
import {
  embeddedLayout,
  prepareFolder,
  serverAccount,
  type EmbeddedMajor,
} from '../../../../src/db/embedded/layout.ts';

export type PostgresServer = {
  url: string;
  /** For TEST_LENT: the version, and the folder with binaries and an unused cluster. Of the run's own server alone. */
  lent?: string;
  stop(): Promise<void>;
};

/**
 * For a server with data that may be lost. It already writes a checkpoint whenever a database is created or dropped.
 */
export const THROW_AWAY = {
  fsync: 'off',
  shared_buffers: '128MB',
  max_connections: '200',
  max_wal_size: '4GB',
};

const copy = promisify(execFile);
const watchScript = fileURLToPath(new URL('watch-embedded.ts', import.meta.url));

/** `settings` besides those of THROW_AWAY. */
export async function startPostgresServer(
  major: EmbeddedMajor,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  return startIn(await dataHome(major), major, settings);
}

/** The server of a whole test run. All others borrow from it. */
export async function startLendingServer(major: EmbeddedMajor): Promise<PostgresServer> {
  const folder = await temporaryFolder();
  const lent = path.join(folder, 'lent');
  const account = await serverAccount();
  const layout = await prepareFolder({ dataHome: folder, home: folder, major }, account);
  const binaries = await installBinaries(layout, await locateBinaries(major), () => undefined);
  await createClusterIfMissing(layout, binaries, account, { sync: false, onProgress: () => undefined });
  await mkdir(lent);
  await symlink(layout.binaries, path.join(lent, 'binaries'));
  await copyFolder(layout.cluster, path.join(lent, 'cluster'));
  return { ...(await startIn(folder, major)), lent: `${major} ${lent}` };
}

async function startIn(
  folder: string,
  major: EmbeddedMajor,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const place = { dataHome: folder, home: folder, major };
  const { url } = await startEmbedded({
    ...place,
    throwAway: { ...THROW_AWAY, ...settings },
    watcher: [watchScript, String(major)],
  });
  return {
    url,
    async stop() {
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}

/**
 * A temporary folder for the data of a server. It borrows the binaries of the run's own server, which outlives all
 * others. It begins with a copy of that server's unused cluster, because initdb takes a second of CPU.
 */
export async function dataHome(major: EmbeddedMajor): Promise<string> {
  const folder = await temporaryFolder();
  if (!(await borrowBinaries(folder, major))) return folder;
  const { cluster } = await embeddedLayout({ dataHome: folder, home: folder, major });
  await copyFolder(path.join(lentFor(major) ?? '', 'cluster'), cluster);
  return folder;
}

/** Whether there was something to borrow. A copy of the binaries takes half a second of CPU. */
export async function borrowBinaries(folder: string, major: EmbeddedMajor): Promise<boolean> {
  const lent = lentFor(major);
  if (lent === undefined) return false;
  await mkdir(path.join(folder, 'zt-risk-sync'));
  await symlink(path.join(lent, 'binaries'), path.join(folder, 'zt-risk-sync', 'binaries'));
  return true;
}

function lentFor(major: EmbeddedMajor): string | undefined {
  const [of, folder] = process.env['TEST_LENT']?.split(/ (.*)/) ?? [];
  return of === String(major) ? folder : undefined;
}

/** With its owners, which may not be the caller. */
async function copyFolder(from: string, to: string): Promise<void> {
  await copy('cp', ['-a', from, to]);
}

/** In the system's temporary folder. When the tests run as root, it is open to the user that Postgres runs as. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-test-'));
  await chmod(folder, 0o755);
  return folder;
}

/** Retries while a stopping server, or the watcher, still changes the folder. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
