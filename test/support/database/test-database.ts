// A database of its own for each test file or test.
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { databaseUrl, recreateDatabase } from '../../../src/db/create-database.ts';

export type TestDatabase = { url: string; drop(): Promise<void> };

/** Empty, from template0. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const admin = adminUrl();
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await recreateDatabase(admin, name);
  return {
    url: databaseUrl(admin, name),
    async drop() {
      const client = new Client({ connectionString: admin });
      try {
        await client.connect();
        await client.query(`drop database if exists ${name} with (force)`);
      } finally {
        await client.end();
      }
    },
  };
}

function adminUrl(): string {
  const url = process.env['TEST_POSTGRES_URL'];
  if (!url)
    throw new Error(
      'no test server: run with --test-global-setup=test/support/global-setup.ts (npm test does)',
    );
  return url;
}
