// The parts of a run in its own process. The log goes to stderr.
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import { createPool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import type { RunDeps } from '../../../src/sync/run-sync.ts';
import { TEST_SETTINGS } from '../settings.ts';

export type RunPartsOf = { databaseUrl: string; apiUrl: string; token: string };

export type RunParts = Pick<RunDeps, 'pool' | 'client' | 'logger' | 'settings'> & { close(): Promise<void> };

export function openRunParts({ databaseUrl, apiUrl, token }: RunPartsOf): RunParts {
  const logger = createLogger({
    level: 'info',
    secrets: [token],
    pretty: false,
    destination: process.stderr,
  });
  const pool = createPool({ url: databaseUrl, logger });
  const client = createCloudflareClient({
    baseUrl: new URL(apiUrl),
    auth: { kind: 'token', token },
    logger,
    limit: null,
  });
  return {
    pool,
    client,
    logger,
    settings: TEST_SETTINGS,
    async close() {
      await client.close();
      await pool.end();
    },
  };
}
