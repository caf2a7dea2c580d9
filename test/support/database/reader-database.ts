// A migrated database on a separate server, whose roles for readers exist: roles belong to a whole server, and other
// tests look for servers without them.
import { createRoles } from '../../../src/db/roles.ts';
import { migratedDatabase, type MigratedDatabase } from './migrated-database.ts';
import { startPostgresServer } from './servers/postgres-server.ts';

/** `fill` writes the history before the roles are made. */
export async function readerDatabase(
  fill: (database: MigratedDatabase) => Promise<void>,
): Promise<MigratedDatabase> {
  const server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  process.env['TEST_POSTGRES_URL'] = server.url;
  const database = await migratedDatabase();
  await fill(database);
  await createRoles(database.pool);
  return {
    ...database,
    async close() {
      await database.close();
      await server.stop();
    },
  };
}
