import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { Agent } from 'undici';
import { createSuccessPing } from '../../src/net/success-ping.ts';

describe('the ping after a success', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function monitor(statuses: number[]): Promise<{ url: string; paths: string[] }> {
    const paths: string[] = [];
    server = createServer((request, response) => {
      paths.push(`${request.method} ${request.url}`);
      const status = statuses[paths.length - 1] ?? 200;
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
    });
    await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping-secret`, paths };
  }

  function ping(url: string) {
    const warnings: unknown[] = [];
    const logger = { warn: (...line: unknown[]) => void warnings.push(line) };
    const sender = createSuccessPing({ url, dispatcher: new Agent(), logger: logger as never, pauseMs: 5 });
    return { sender, warnings };
  }

  test('is one GET, with the account where the address asks for it', async () => {
    const { url, paths } = await monitor([]);
    const { sender, warnings } = ping(`${url}/zt-{account_id}`);
    assert.equal(await sender.send('ab12'), 'ok');
    await sender.close();
    assert.deepEqual([paths, warnings], [['GET /ping-secret/zt-ab12'], []]);
  });

  test('is tried three times', async () => {
    const { url, paths } = await monitor([500, 503, 200]);
    const { sender } = ping(url);
    assert.equal(await sender.send('ab12'), 'ok');
    await sender.close();
    assert.equal(paths.length, 3);
  });

  test('logs a failure as a warning without the address, and follows no redirect', async () => {
    const { url, paths } = await monitor([302, 302, 302]);
    const { sender, warnings } = ping(url);
    assert.equal(await sender.send('ab12'), 'failed');
    await sender.close();
    assert.equal(paths.length, 3);
    assert.equal(warnings.length, 1);
    assert.doesNotMatch(JSON.stringify(warnings), /secret|127\.0\.0\.1/);
  });

  test('fails without throwing when the monitor cannot be reached', async () => {
    const { sender } = ping('http://127.0.0.1:1/ping-secret');
    assert.equal(await sender.send('ab12'), 'failed');
    await sender.close();
  });
});
