// One Postgres for the whole test run; TEST_POSTGRES_URL tells the tests where. TEST_DATABASE_URL brings one's own,
// TEST_POSTGRES (15 or 18) chooses the version of the embedded one.
import type { PostgresServer } from './postgres-server.ts';
import { startPostgresServer } from './postgres-server.ts';

let server: PostgresServer | undefined;

export async function globalSetup(): Promise<void> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) {
    process.env['TEST_POSTGRES_URL'] = given;
    process.stdout.write(`tests use the Postgres at ${new URL(given).host} (TEST_DATABASE_URL)\n`);
    return;
  }
  const major = process.env['TEST_POSTGRES'] || '18';
  if (major !== '15' && major !== '18') throw new Error('TEST_POSTGRES must be 15 or 18');
  server = await startPostgresServer(major === '15' ? 15 : 18);
  process.env['TEST_POSTGRES_URL'] = server.url;
  process.stdout.write(`tests use an embedded Postgres ${major} at ${new URL(server.url).host}\n`);
}

export async function globalTeardown(): Promise<void> {
  await server?.stop();
}
