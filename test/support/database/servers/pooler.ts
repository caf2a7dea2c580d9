// PgBouncer in transaction mode in front of a server, where it is installed.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { serverAccount } from '../../../../src/db/embedded/layout.ts';
import { removeFolder, temporaryFolder } from './postgres-server.ts';

export type Pooler = {
  /** `databaseUrl` through the pooler. */
  url: string;
  /** Stops PgBouncer with all its connections at once, and starts it again. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

/** PgBouncer's path, or undefined. Debian installs it outside many users' PATH. */
export function findPgBouncer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, 'pgbouncer')).find((file) => existsSync(file));
}

/** `poolSize`: sessions on the server, shared by all clients. `settings`: lines that replace those below. */
export async function startPooler(
  databaseUrl: string,
  binary: string,
  poolSize: number,
  settings = '',
): Promise<Pooler> {
  const target = new URL(databaseUrl);
  const folder = await temporaryFolder();
  const [config, users] = [path.join(folder, 'pgbouncer.ini'), path.join(folder, 'users.txt')];
  const port = await freePort();
  // By default, PgBouncer refuses clients for 15 s after the server was unreachable. No start-up parameter is ignored,
  // so that a parameter which a transaction pooler refuses is also an error here.
  await writeFile(
    config,
    `[databases]
* = host=${target.hostname} port=${target.port || '5432'}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
server_login_retry = 0.2
${settings}
`,
  );
  await writeFile(users, `"${target.username}" "${decodeURIComponent(target.password)}"\n`, { mode: 0o600 });
  // PgBouncer refuses to run as root.
  const account = await serverAccount();
  if (account) await chown(users, account.uid, account.gid);
  await chmod(config, 0o644);

  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  let child: ChildProcess;
  async function start(): Promise<void> {
    child = spawn(binary, [config], { stdio: 'ignore', cwd: folder, ...account });
    while (!(await answers(url.href))) {
      if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`);
      await sleep(20);
    }
  }
  async function stop(): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await start();
  return {
    url: url.href,
    async restart() {
      await stop();
      await start();
    },
    async close() {
      await stop();
      await removeFolder(folder);
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
