// A server on which only the test writes: for tests that look at the write-ahead log, which belongs to the whole
// server, or at where rows are stored.
import { Client } from 'pg';
import { migrate } from '../../../../src/db/migrate.ts';
import type { Pool } from '../../../../src/db/pool.ts';
import { testPool } from '../migrated-database.ts';
import { startPostgresServer } from './postgres-server.ts';

export type StillServer = { pool: Pool; stop(): Promise<void> };

export async function startStillServer(): Promise<StillServer> {
  const server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  // Autovacuum would write during the measurement.
  await admin.query('alter system set autovacuum = off');
  await admin.query('select pg_reload_conf()');
  await admin.end();
  const pool = testPool(server.url);
  await migrate(pool);
  return {
    pool,
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}
