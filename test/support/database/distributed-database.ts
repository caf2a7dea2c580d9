// Distributed databases, where TEST_CITUS_URL names a database of a coordinator of Citus (as superuser). Each is one
// database on every node, all with the same name. So is the template.
import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { databaseUrl } from '../../../src/db/create-database.ts';
import { distribute } from '../../../src/db/distribute/distribute.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createPool } from '../../../src/db/pool.ts';

export const CITUS_URL = process.env['TEST_CITUS_URL'] ?? '';

/** For the option `skip` of a test that is about one PostgreSQL: why it says nothing about a distributed history. */
export const onOnePostgres = (why: string): string | false => (CITUS_URL === '' ? false : why);

/** `on` has the database, and lists the nodes. The coordinator comes first. */
export async function nodeUrls(on = CITUS_URL): Promise<URL[]> {
  const [coordinator, ...workers] = await ask<{ host: string; port: number }>(
    on,
    'select nodename as host, nodeport as port from pg_dist_node where isactive order by groupid',
  );
  if (coordinator === undefined) throw new Error('TEST_CITUS_URL names no coordinator with nodes');
  const at = ({ host, port }: { host: string; port: number }) =>
    Object.assign(new URL(on), { hostname: host, port: String(port) });
  return [new URL(on), ...workers.map(at)];
}

/** An empty database with the extension on every node. Nothing in it is distributed yet. */
async function makeOnNodes(name: string): Promise<string> {
  const nodes = await nodeUrls();
  await dropOnNodes(name);
  for (const node of nodes) {
    await ask(node.href, `create database ${escapeIdentifier(name)} encoding 'UTF8' template template0`);
    await ask(databaseUrl(node.href, name), 'create extension citus');
  }
  const url = databaseUrl(CITUS_URL, name);
  const [coordinator, ...workers] = nodes.map(({ hostname, port }) => `'${hostname}', ${port}`);
  await ask(url, `select citus_set_coordinator_host(${coordinator})`);
  for (const worker of workers) await ask(url, `select citus_add_node(${worker})`);
  return url;
}

export type EmptyCluster = { url: string; worker: string; drop(): Promise<void> };

export async function emptyCluster(): Promise<EmptyCluster> {
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  const url = await makeOnNodes(name);
  const worker = databaseUrl((await nodeUrls()).at(-1)!.href, name);
  return { url, worker, drop: () => dropOnNodes(name) };
}

/** Finished, it accepts no connections: not even those of the background workers of Citus. */
export async function makeDistributedTemplate(name: string): Promise<void> {
  const url = await makeOnNodes(name);
  const pool = createPool({ url, max: 2, logger: { warn() {} } });
  try {
    await migrate(pool);
    await distribute({ pool, signal: new AbortController().signal, onProgress: () => undefined });
  } finally {
    await pool.end();
  }
  for (const node of await nodeUrls()) {
    await ask(node.href, `alter database ${escapeIdentifier(name)} allow_connections false`);
    await ask(
      node.href,
      `select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '${name}'`,
    );
  }
}

export async function cloneOnNodes(template: string, name: string): Promise<void> {
  for (const node of await nodeUrls())
    await ask(
      node.href,
      `create database ${escapeIdentifier(name)} template ${escapeIdentifier(template)} strategy file_copy`,
    );
}

export async function dropOnNodes(name: string): Promise<void> {
  for (const node of await nodeUrls())
    await ask(node.href, `drop database if exists ${escapeIdentifier(name)} with (force)`);
}

async function ask<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
