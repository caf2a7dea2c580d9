// The PostgreSQL 18 of a benchmark: default settings, in a temporary folder that is removed afterwards.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { databaseUrl, recreateDatabase } from '../../src/db/create-database.ts';
import { startEmbedded, stopEmbedded } from '../../src/db/embedded/embedded-postgres.ts';
import { createPool, type Pool } from '../../src/db/pool.ts';
import { removeFolder, temporaryFolder } from '../../test/support/database/servers/postgres-server.ts';
import { cpuOfTree, memoryOfTree } from './proc.ts';

export type Postgres = Awaited<ReturnType<typeof startPostgres>>;

/** Stops the server if the benchmark is killed. */
const watcher = fileURLToPath(
  new URL('../../test/support/database/servers/watch-embedded.ts', import.meta.url),
);

export async function startPostgres() {
  const folder = await temporaryFolder();
  const place = { dataHome: folder, home: folder };
  const { url, dataDir } = await startEmbedded({ ...place, watcher: [watcher, '18'] });
  const postmaster = Number((await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const admin = openPool(url);

  async function number(sql: string): Promise<number> {
    const { rows } = await admin.query<{ n: string }>(sql);
    return Number(rows[0]?.n);
  }

  return {
    /** Creates an empty database with this name, and drops an existing one first. */
    async emptyDatabase(name: string): Promise<string> {
      return recreateDatabase(url, name);
    },
    async drop(name: string): Promise<void> {
      await admin.query(`drop database if exists ${name} with (force)`);
    },
    urlOf: (name: string) => databaseUrl(url, name),
    checkpoint: async () => void (await admin.query('checkpoint')),
    walBytes: () => number("select pg_current_wal_insert_lsn() - '0/0' as n"),
    /** CPU time of all server processes since the start, in ms. First waits until no other client is connected. */
    async cpuMs(): Promise<number> {
      const others = `select count(*) as n from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> '${OWN}'
          and application_name not like '%watch'`;
      for (let turn = 0; turn < 100 && (await number(others)) > 0; turn++) await sleep(10);
      return cpuOfTree(postmaster);
    },
    /** The same, without waiting: also while clients are connected. */
    cpuMsNow: () => cpuOfTree(postmaster),
    memoryMb: () => memoryOfTree(postmaster),
    async stop(): Promise<void> {
      await admin.end();
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}

const OWN = 'benchmark';

/** One connection, for the queries of the benchmark itself. */
export function openPool(url: string): Pool {
  const named = new URL(url);
  named.searchParams.set('application_name', OWN);
  return createPool({
    url: named.href,
    max: 1,
    queryTimeoutMs: 3_600_000,
    logger: { warn: () => undefined },
  });
}

/**
 * Does what autovacuum would do within minutes of a load. Otherwise rounds would run beside autovacuum, or with plans
 * that were made without statistics.
 */
export async function settle(databaseUrl: string): Promise<void> {
  const pool = openPool(databaseUrl);
  await pool.query('vacuum analyze');
  await pool.end();
}
