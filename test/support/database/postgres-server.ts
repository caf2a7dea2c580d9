// A throw-away Postgres for a test run: in a temporary folder, without fsync, gone afterwards even when the run is killed.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EmbeddedMajor } from '../../../src/db/embedded/layout.ts';
import { startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';

export type PostgresServer = { url: string; stop(): Promise<void> };

/** For a server whose data nobody will miss. Each database that is created or dropped makes it write a checkpoint as it is. */
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

/** Under the system's temporary folder, and open to the user that Postgres runs as when this is root. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-test-'));
  await chmod(folder, 0o755);
  return folder;
}

/** Tries again while a server that is on its way out, or the watcher, still changes the folder. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
