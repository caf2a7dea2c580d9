// Puts the database further away for the commands that are measured.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';

const proxyScript = fileURLToPath(new URL('./delay-process.ts', import.meta.url));

/** `via` turns the URL of a database into one with this round trip, in ms. With 0, it returns the same URL. */
export async function distanced<T>(
  bench: Bench,
  distanceMs: number,
  work: (via: (databaseUrl: string) => string) => Promise<T>,
): Promise<T> {
  if (distanceMs === 0) return work((url) => url);
  const server = new URL(bench.postgres.urlOf('postgres'));
  const args = [proxyScript, server.hostname, server.port, String(distanceMs / 2)];
  const proxy = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const port = String((await once(createInterface({ input: proxy.stdout }), 'line'))[0]);
    return await work((databaseUrl) => Object.assign(new URL(databaseUrl), { port }).href);
  } finally {
    proxy.kill();
    await once(proxy, 'close');
  }
}
