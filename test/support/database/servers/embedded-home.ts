// An embedded server in a folder of its own, as a client in another process starts it.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { stopEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';
import { removeFolder, temporaryFolder } from './postgres-server.ts';

const client = fileURLToPath(new URL('start-embedded.ts', import.meta.url));
export const onLinux = { skip: process.platform !== 'linux' };

/**
 * Each of these variables would harm, stop or misdirect a client that obeys it. The tests give them to every program
 * that may read such variables.
 */
export const OF_ANOTHER_SERVER: Record<string, string> = {
  PGHOST: 'not-for-this-server',
  PGHOSTADDR: '198.51.100.1',
  PGPORT: '1',
  PGUSER: 'not-for-this-server',
  PGPASSWORD: 'not-for-this-server',
  PGDATABASE: 'not-for-this-server',
  PGSERVICE: 'not-for-this-server',
  PGSERVICEFILE: '/not-for-this-server',
  PGPASSFILE: '/not-for-this-server',
  PGOPTIONS: '-c default_transaction_read_only=on -c datestyle=SQL,DMY -c timezone=Asia/Tokyo',
  PGAPPNAME: 'not-for-this-server',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'LATIN1',
  PGDATESTYLE: 'SQL, DMY',
  PGTZ: 'Asia/Tokyo',
  PGREPLICATION: 'database',
  PGBINARY: 'true',
  PGSSLMODE: 'verify-full',
  PGSSLNEGOTIATION: 'direct',
  PGSSLROOTCERT: '/not-for-this-server',
  PGGSSENCMODE: 'require',
  PGREQUIREAUTH: 'none',
  PGTARGETSESSIONATTRS: 'read-only',
  PGDATA: '/not-for-this-server',
};

export async function query<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const connection = new Client({ connectionString: url });
  try {
    await connection.connect();
    return (await connection.query<Row>(sql)).rows;
  } finally {
    await connection.end();
  }
}

export async function postmasterPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8'), 10);
}

export async function isGone(file: string): Promise<boolean> {
  return access(file).then(
    () => false,
    () => true,
  );
}

/** Folders of a test file. The servers that run in them are stopped after the file, then the folders are removed. */
const homes: Place[] = [];
after(async () => {
  for (const place of homes) {
    await stopEmbedded(place);
    await removeFolder(place.dataHome);
  }
});

export type Place = { dataHome: string; home: string };

export async function newHome(folder = temporaryFolder()): Promise<Place> {
  const dataHome = await folder;
  const place = { dataHome, home: dataHome };
  homes.push(place);
  return place;
}

export function startClient(place: Place, env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [client, place.dataHome], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
