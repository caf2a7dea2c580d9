// A separate Postgres server that can crash, restart, and come back as a standby, on the same port.
import { chown, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { installBinaries, locateBinaries } from '../../../../src/db/embedded/binaries.ts';
import { launchServer } from '../../../../src/db/embedded/launch.ts';
import { embeddedLayout, serverAccount, type EmbeddedMajor } from '../../../../src/db/embedded/layout.ts';
import { startEmbedded, stopEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';
import { pidIsTaken } from '../../../../src/host/processes.ts';
import { dataHome, removeFolder } from './postgres-server.ts';

export type BreakableServer = {
  url: string;
  /** Stops at once, like a crash. The next start recovers, and unlogged tables are empty afterwards. */
  crash(): Promise<void>;
  /** Stops in order. */
  halt(): Promise<void>;
  /** Starts again unchanged. */
  start(): Promise<void>;
  /**
   * Starts as a standby without a primary. hot: it can be read (25006 for writes). cold: it refuses every connection,
   * like a server that is starting up (57P03).
   */
  startStandby(kind: 'hot' | 'cold'): Promise<void>;
  close(): Promise<void>;
};

const SETTINGS = { fsync: 'off', shared_buffers: '64MB', max_connections: '60' };

export async function startBreakableServer(major: EmbeddedMajor): Promise<BreakableServer> {
  const folder = await dataHome(major);
  const place = { dataHome: folder, home: folder, major };
  const layout = await embeddedLayout(place);
  const signal = path.join(layout.dataDir, 'standby.signal');
  // Without a watcher, because its connection would only delay the end.
  const start = async () => startEmbedded({ ...place, throwAway: SETTINGS });
  const { url } = await start();

  async function end(how: 'SIGQUIT' | 'SIGINT'): Promise<void> {
    const pid = Number.parseInt(await readFile(layout.pidFile, 'utf8'), 10);
    process.kill(pid, how);
    while (pidIsTaken(pid)) await sleep(10);
  }

  return {
    url,
    crash: () => end('SIGQUIT'),
    halt: () => end('SIGINT'),
    async start() {
      await rm(signal, { force: true });
      const again = await start();
      if (again.url !== url) throw new Error('the server came back at another address');
    },
    async startStandby(kind) {
      const account = await serverAccount();
      await writeFile(signal, '');
      if (account) await chown(signal, account.uid, account.gid);
      const binaries = await installBinaries(layout, await locateBinaries(major), () => undefined);
      const settings = { ...SETTINGS, hot_standby: kind === 'hot' ? 'on' : 'off' };
      await launchServer(layout, { binaries, account, settings }, { newPort: false });
      const wanted = kind === 'hot' ? 'ready' : '57P03';
      while ((await answer(url)) !== wanted) await sleep(20);
    },
    async close() {
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}

async function answer(url: string): Promise<string> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    // A cold standby already answers 57P03 while it is still starting.
    return 'ready';
  } catch (error) {
    return String((error as { code?: unknown }).code);
  } finally {
    await client.end().catch(() => undefined);
  }
}
