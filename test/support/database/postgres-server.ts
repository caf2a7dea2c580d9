// A temporary Postgres for a test run: in a temporary folder, without fsync, and removed even when the run is killed.
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedLayout, type EmbeddedMajor } from '../../../src/db/embedded/layout.ts';
import { startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';

export type PostgresServer = {
  url: string;
  /** For TEST_BINARIES: the version and the folder of an embedded server's binaries. */
  binaries?: string;
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

const watchScript = fileURLToPath(new URL('watch-embedded.ts', import.meta.url));

/** `settings` besides those of THROW_AWAY. */
export async function startPostgresServer(
  major: EmbeddedMajor,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const folder = await dataHome(major);
  const place = { dataHome: folder, home: folder, major };
  const { url } = await startEmbedded({
    ...place,
    throwAway: { ...THROW_AWAY, ...settings },
    watcher: [watchScript, String(major)],
  });
  return {
    url,
    binaries: `${major} ${(await embeddedLayout(place)).binaries}`,
    async stop() {
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}

/**
 * A temporary folder for the data of a server. It borrows the binaries of the run's own server, which outlives all
 * others: a copy takes half a second of CPU.
 */
export async function dataHome(major: EmbeddedMajor): Promise<string> {
  const folder = await temporaryFolder();
  const [of, binaries] = process.env['TEST_BINARIES']?.split(/ (.*)/) ?? [];
  if (binaries !== undefined && of === String(major)) {
    await mkdir(path.join(folder, 'zt-risk-sync'));
    await symlink(binaries, path.join(folder, 'zt-risk-sync', 'binaries'));
  }
  return folder;
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
