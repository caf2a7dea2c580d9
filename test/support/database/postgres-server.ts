// A temporary Postgres for a test run: in a temporary folder, without fsync, and removed even when the run is killed.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EmbeddedMajor } from '../../../src/db/embedded/layout.ts';
import { startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';

export type PostgresServer = { url: string; stop(): Promise<void> };

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

export async function startPostgresServer(major: EmbeddedMajor): Promise<PostgresServer> {
  const folder = await temporaryFolder();
  const place = { dataHome: folder, home: folder, major };
  const { url } = await startEmbedded({
    ...place,
    throwAway: THROW_AWAY,
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
