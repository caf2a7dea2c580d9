// The simulator in its own process: where it listens, and that it stops in order.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces, tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { CLI } from '../support/cli.ts';

/** An address of this machine on which a server on 127.0.0.1 does not answer. */
const elsewhere =
  Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.2';

async function start(...args: string[]) {
  const child = spawn(process.execPath, [CLI, 'simulate', '--port', '0', '--users', '30', ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close') as Promise<[code: number | null]>;
  let url: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    url = /http:\S+/.exec(line)?.[0];
    if (url !== undefined) break;
  }
  assert.ok(url);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      return (await ended)[0];
    },
  };
}

/** Any answer will do. Without credentials, 401 is one. */
const answersAt = async (url: string, hostname: string): Promise<boolean> => {
  const target = new URL(`${url}/accounts`);
  target.hostname = hostname;
  return fetch(target).then(
    async (response) => response.text().then(() => true),
    () => false,
  );
};

test('listens on loopback by default, and SIGTERM ends it with exit 0', async () => {
  const simulator = await start();
  assert.equal(await answersAt(simulator.url, '127.0.0.1'), true);
  assert.equal(await answersAt(simulator.url, elsewhere), false);
  assert.equal(await simulator.stop(), 0);
});

test('--host 0.0.0.0 listens on every address, and the printed one can be reached', async () => {
  const simulator = await start('--host', '0.0.0.0');
  assert.equal(new URL(simulator.url).hostname, '127.0.0.1');
  assert.equal(await answersAt(simulator.url, '127.0.0.1'), true);
  assert.equal(await answersAt(simulator.url, elsewhere), true);
  assert.equal(await simulator.stop(), 0);
});
