// The simulator in its own process: where it listens, and that it stops in order.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces, tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { CLI, type CliResult } from '../support/cli.ts';
import { interruption, runCommand } from '../support/run-command.ts';

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

describe('the simulator in this process', () => {
  /** Calls `use` with the printed text, and then stops the simulator. */
  async function simulated(args: string[], use: (told: string) => Promise<void>): Promise<CliResult> {
    const stop = new AbortController();
    let isUsed = false;
    const ended = runCommand(
      ['simulate', '--port', '0', '--users', '20', ...args],
      {},
      undefined,
      undefined,
      false,
      {
        signal: stop.signal,
        onStdout(text) {
          if (isUsed || !text.includes('Stop with Ctrl-C')) return;
          isUsed = true;
          void use(text).finally(() => stop.abort(interruption()));
        },
      },
    );
    const result = await ended;
    assert.ok(isUsed, result.stderr);
    return result;
  }

  test('prints how to sync from it, answers as it says, and counts its answers', async () => {
    let list: unknown;
    const { code, stderr } = await simulated(['--accounts', '3'], async (told) => {
      const [, url] = /export CLOUDFLARE_BASE_URL=(\S+) CLOUDFLARE_ALLOW_INSECURE=1/.exec(told) ?? [];
      const [, token, account] = /CLOUDFLARE_API_TOKEN=(\S+) CLOUDFLARE_ACCOUNT_ID=(\S+)/.exec(told) ?? [];
      assert.equal(account, "'*'");
      const answer = await fetch(`${url}/accounts`, { headers: { authorization: `Bearer ${token}` } });
      list = ((await answer.json()) as { result: unknown[] }).result;
    });
    assert.equal(code, 0);
    assert.equal((list as unknown[]).length, 3);
    assert.equal(stderr, 'answered 1 requests\n');
  });

  test('of one account prints its id, and shows the faults that were asked for', async () => {
    let status = 0;
    await simulated(['--faults', 'unavailable', '--speed', '60'], async (told) => {
      const [, url] = /CLOUDFLARE_BASE_URL=(\S+)/.exec(told) ?? [];
      const [, account] = /CLOUDFLARE_ACCOUNT_ID=([0-9a-f]{32})$/m.exec(told) ?? [];
      status = (await fetch(`${url}/accounts/${account}/zt_risk_scoring/summary`)).status;
    });
    assert.equal(status, 503);
  });

  test('refuses a speed, a size and a fault that it does not know, and serves nothing', async () => {
    for (const args of [
      ['--speed', '0'],
      ['--speed', 'fast'],
      ['--speed', '1000001'],
      ['--users', '-1'],
      ['--faults', 'unavailabel'],
    ]) {
      const { code, stdout, stderr } = await runCommand(['simulate', '--port', '0', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.match(stderr, args[0] === '--faults' ? /Did you mean unavailable\?/ : /must be/);
    }
  });
});
