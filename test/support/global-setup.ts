// One Postgres for the whole test run; TEST_POSTGRES_URL tells the tests where it is. TEST_DATABASE_URL names an
// existing server to use instead, and TEST_CITUS_URL a coordinator of Citus: there, databases with the schema are
// distributed. Otherwise TEST_POSTGRES (15 to 18) chooses the version of a server in a container, if
// an engine answers. Without an engine, an embedded server starts; it exists in versions 15 and 18.
import { Client } from 'pg';
import { engineAnswers } from './database/servers/container-engine.ts';
import { startContainerPostgres, type PostgresMajor } from './database/servers/container-postgres.ts';
import { startLendingServer, type PostgresServer } from './database/servers/postgres-server.ts';
import { dropTemplate, newTemplateName } from './database/test-database.ts';

let server: PostgresServer | undefined;

export async function globalSetup(): Promise<void> {
  const citus = process.env['TEST_CITUS_URL'];
  const given = citus || process.env['TEST_DATABASE_URL'];
  const started = given ? undefined : await start(majorWanted());
  server = started?.server;
  const url = given || (server?.url ?? '');
  process.env['TEST_POSTGRES_URL'] = url;
  process.env['TEST_LENT'] = server?.lent ?? '';
  process.env['TEST_TEMPLATE'] = newTemplateName();
  process.stdout.write(
    `tests use PostgreSQL ${await versionAt(url)} at ${new URL(url).host} (${started?.kind ?? (citus ? 'TEST_CITUS_URL' : 'TEST_DATABASE_URL')})\n`,
  );
}

export async function globalTeardown(): Promise<void> {
  // A server that the user brought keeps running without it.
  if (server === undefined) await dropTemplate();
  await server?.stop();
}

function majorWanted(): PostgresMajor {
  const asked = process.env['TEST_POSTGRES'] || '18';
  const major = ([15, 16, 17, 18] as const).find((one) => String(one) === asked);
  if (major === undefined) throw new Error('TEST_POSTGRES must be a number from 15 to 18');
  return major;
}

async function start(major: PostgresMajor): Promise<{ server: PostgresServer; kind: string }> {
  let why = 'no container engine answers';
  if (await engineAnswers()) {
    try {
      return { server: await startContainerPostgres(major), kind: `container of postgres:${major}` };
    } catch (error) {
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      why = `no container of postgres:${major}: ${reason.slice(0, 200)}`;
    }
  }
  if (major !== 15 && major !== 18) throw new Error(`there is no embedded PostgreSQL ${major}, and ${why}`);
  return { server: await startLendingServer(major), kind: `embedded; ${why}` };
}

async function versionAt(url: string): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? 'unknown';
  } finally {
    await client.end();
  }
}
