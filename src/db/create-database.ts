// Databases on the embedded server: the product's own, and the one that each `demo` creates again.
import { Client, escapeIdentifier } from 'pg';

export const productDatabase = 'zt_risk_sync';
export const demoDatabase = 'zt_risk_demo';

/** Creates the database `name` if it does not exist. Returns `url` with `name` as its database. */
export async function ensureDatabase(url: string, name: string): Promise<string> {
  await withClient(url, async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await createDatabase(client, name).catch(ignoreDuplicate);
  });
  return databaseUrl(url, name);
}

/** Drops the database `name`, ends its sessions, and creates it empty. Returns `url` with `name` as its database. */
export async function recreateDatabase(url: string, name: string): Promise<string> {
  await withClient(url, async (client) => {
    await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
    await createDatabase(client, name);
  });
  return databaseUrl(url, name);
}

export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}

async function createDatabase(client: Client, name: string): Promise<void> {
  await client.query(`create database ${escapeIdentifier(name)} encoding 'UTF8' template template0`);
}

/** Two processes may create it at the same time. The second one then gets one of these two errors. */
function ignoreDuplicate(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== '42P04' && code !== '23505') throw error;
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end();
  }
}
