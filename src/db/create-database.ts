// Databases on the embedded server: the product's own, and the one that each `demo` creates again. Both belong to the
// worker's role. The superuser does only what that role may not do.
import { escapeIdentifier, type Pool } from 'pg';
import { EmbeddedClient } from './embedded/embedded-client.ts';
import { ensureWorker, handOver, WORKER, workerUrl } from './embedded/worker-role.ts';

export const productDatabase = 'zt_risk_sync';
export const demoDatabase = 'zt_risk_demo';

/**
 * Creates the database `name` and the worker's role if they do not exist. Returns the worker's URL of that database. By
 * then, the server has proven that it is ours.
 */
export async function ensureDatabase(adminUrl: string, name: string): Promise<string> {
  const url = workerUrl(adminUrl, name);
  if (await isOurs(url)) return url;
  await withClient(adminUrl, async (admin) => {
    await ensureWorker(admin, adminUrl);
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await createDatabase(admin, name).catch(ignoreDuplicate);
  });
  if (!(await isOurs(url))) await withClient(databaseUrl(adminUrl, name), (admin) => handOver(admin, name));
  return url;
}

/** Drops the database `name`, ends its sessions, and creates it empty. Returns the worker's URL of it. */
export async function recreateDatabase(adminUrl: string, name: string): Promise<string> {
  await withClient(adminUrl, async (admin) => {
    await admin.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
  });
  return ensureDatabase(adminUrl, name);
}

/** On the server that the pool is connected to. */
export async function databaseExists(pool: Pool, name: string): Promise<boolean> {
  return (await pool.query('select from pg_database where datname = $1', [name])).rowCount === 1;
}

export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}

/** Whether the worker can connect to the database and owns it. */
async function isOurs(url: string): Promise<boolean> {
  try {
    return await withClient(url, async (client) => {
      const { rows } = await client.query<{ is: boolean }>(
        'select datdba = current_user::regrole as is from pg_database where datname = current_database()',
      );
      return rows[0]?.is === true;
    });
  } catch (error) {
    // The role or the database does not exist, or the password is a different one.
    if (/^(28|3D000)/.test(String((error as { code?: string }).code))) return false;
    throw error;
  }
}

async function createDatabase(admin: EmbeddedClient, name: string): Promise<void> {
  await admin.query(
    `create database ${escapeIdentifier(name)} owner ${WORKER} encoding 'UTF8' template template0`,
  );
}

/** Two processes may create it at the same time. The second one then gets one of these two errors. */
function ignoreDuplicate(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== '42P04' && code !== '23505') throw error;
}

async function withClient<T>(url: string, work: (client: EmbeddedClient) => Promise<T>): Promise<T> {
  const client = new EmbeddedClient({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end();
  }
}
