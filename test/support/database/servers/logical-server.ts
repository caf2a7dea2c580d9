// A separate server of the version that the run tests. It has wal_level = logical unless another level is requested.
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { databaseUrl } from '../../../../src/db/create-database.ts';
import { migrate } from '../../../../src/db/migrate.ts';
import { opened, testPool, type MigratedDatabase } from '../migrated-database.ts';
import { startPostgresServer } from './postgres-server.ts';

export type LogicalServer = {
  /** The superuser's. */
  url: string;
  admin: Client;
  /** A new database with the schema. */
  database(): Promise<MigratedDatabase>;
  stop(): Promise<void>;
};

export async function startLogicalServer(
  settings: Readonly<Record<string, string>> = {},
): Promise<LogicalServer> {
  const major = process.env['TEST_POSTGRES'] === '15' ? 15 : 18;
  const server = await startPostgresServer(major, { wal_level: 'logical', ...settings });
  const admin = new Client({ connectionString: server.url });
  // This server borrows the binaries of the run's own, which is removed after five minutes without a connection.
  const keeper = new Client({ connectionString: process.env['TEST_POSTGRES_URL'] });
  await Promise.all([admin.connect(), keeper.connect()]);
  return {
    url: server.url,
    admin,
    async database() {
      const name = `test_${randomBytes(6).toString('hex')}`;
      await admin.query(`create database ${name}`);
      const url = databaseUrl(server.url, name);
      const pool = testPool(url, 1);
      await migrate(pool);
      await pool.end();
      return opened({
        url,
        async drop() {
          // A slot of a database keeps it from being dropped.
          await admin.query(
            `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '${name}'`,
          );
          await admin.query(`drop database ${name} with (force)`);
        },
      });
    },
    async stop() {
      await Promise.all([admin.end(), keeper.end()]);
      await server.stop();
    },
  };
}
