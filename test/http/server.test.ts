// Listening and stopping: ports, slow or silent clients, and requests under way.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import type { HttpBindings } from '@hono/node-server';
import { Agent, request } from 'undici';
import { addressOf, startHttp, type HttpTiming } from '../../src/http/server.ts';
import { isOperatorError } from '../../src/errors.ts';
import { Hono } from 'hono';

const FAST: HttpTiming = {
  headersTimeout: 150,
  requestTimeout: 300,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 30,
  silenceTimeout: 60_000,
};

type More = { timing?: HttpTiming; maxConnections?: number; onCrowded?: () => void };

async function listen(t: TestContext, app = new Hono().get('/', (c) => c.text('hello')), more: More = {}) {
  const http = await startHttp({ app, host: '127.0.0.1', port: 0, timing: FAST, ...more });
  t.after(() => http.close(0));
  return { ...http, url: `http://127.0.0.1:${http.port}/` };
}

/** What the server sends until it closes the connection. */
async function converse(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let said = '';
  socket.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return said;
}

test('says when its port is in use, and when an address does not belong to this machine', async (t) => {
  const { port } = await listen(t);
  const app = new Hono();
  const refusal = async (host: string, port: number) => {
    const error = await startHttp({ app, host, port }).catch((e: unknown) => e);
    assert.ok(isOperatorError(error));
    return [error.code, error.exit];
  };
  assert.deepEqual(await refusal('127.0.0.1', port), ['HTTP_PORT_TAKEN', 78]);
  assert.deepEqual(await refusal('203.0.113.77', 0), ['HTTP_ADDRESS_UNUSABLE', 78]);
});

test('closes the connection of a client that sends its headers or its body too slowly', async (t) => {
  const app = new Hono().post('/', async (c) => c.text(await c.req.text()));
  const { port } = await listen(t, app);
  assert.match(await converse(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n'), /^HTTP\/1\.1 408 /);
  const slowBody = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc';
  assert.doesNotMatch(await converse(port, slowBody), / 200 /);
  assert.equal(await converse(port, ''), 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
});

test('refuses endless headers, and a Host that cannot be valid', async (t) => {
  const { port } = await listen(t);
  const long = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`;
  assert.match(await converse(port, long), /^HTTP\/1\.1 431 /);
  const odd = await converse(port, 'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n');
  assert.match(odd, /^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_INVALID"/);
});

test('accepts the newest connection when there are too many, and closes the one that was silent for longest', async (t) => {
  let crowded = 0;
  const { port } = await listen(t, undefined, {
    timing: { ...FAST, headersTimeout: 60_000, requestTimeout: 60_000 },
    maxConnections: 3,
    onCrowded: () => (crowded += 1),
  });
  const closed: string[] = [];
  const join = async (name: string) => {
    const socket = net.connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('close', () => closed.push(name)).on('error', () => undefined);
    await once(socket, 'connect');
    const ask = async () => {
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
    };
    return { socket, ask };
  };
  const silent = await join('silent');
  const asking = await join('asking');
  const later = await join('later');
  await asking.ask();
  await later.ask();
  await asking.ask();
  // The answer shows that the server has seen the connection.
  for (const [name, gone] of [
    ['new', silent],
    ['newer', later],
    ['newest', asking],
  ] as const) {
    const { ask } = await join(name);
    await ask();
    if (!gone.socket.closed) await once(gone.socket, 'close');
  }
  assert.deepEqual(closed, ['silent', 'later', 'asking']);
  assert.equal(crowded, 3);
});

test('makes room for the newest connection even if closed connections are not counted', async (t) => {
  const timing = { ...FAST, headersTimeout: 60_000, requestTimeout: 60_000 };
  const { port, url } = await listen(t, undefined, { timing, maxConnections: 1 });
  const silent = net.connect(port, '127.0.0.1').on('error', () => undefined);
  t.after(() => silent.destroy());
  await once(silent, 'connect');
  const closed = once(silent, 'close');
  const { statusCode, body } = await request(url, { reset: true });
  assert.deepEqual([statusCode, await body.text()], [200, 'hello']);
  await closed;
});

test('an address is written as a browser reads it, also one of IPv6', () => {
  for (const [host, address] of [
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['risk.internal', 'http://risk.internal:8080'],
    ['::1', 'http://[::1]:8080'],
  ] as const) {
    assert.equal(addressOf(host, 8_080), address);
    assert.equal(new URL(address).port, '8080');
  }
});

test('closes the connection of a client that does not read its answer', async (t) => {
  const closed = Promise.withResolvers<void>();
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', (c) => {
    c.env.outgoing.once('close', () => closed.resolve());
    // More than the buffers of the system hold.
    return c.body(new Uint8Array(64 * 1024 * 1024));
  });
  const { port } = await listen(t, app as never, { timing: { ...FAST, silenceTimeout: 150 } });
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  t.after(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await closed.promise;
});

test('hands one request of a connection at a time to the app, and refuses requests that arrive before the answer', async (t) => {
  let requests = 0;
  const app = new Hono().get('/', (c) => c.text(`answer ${(requests += 1)}`));
  const { port } = await listen(t, app);
  const said = await converse(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(500));
  assert.match(said, /^HTTP\/1\.1 200 [\s\S]*answer 1HTTP\/1\.1 503 /);
  assert.equal(requests, 1);
});

test('answers a client that has closed its half, and forgets one that closes before its request is whole', async (t) => {
  const { port } = await listen(t);
  const half = async (text: string) => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
    let said = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    socket.on('end', () => socket.end());
    socket.end(text);
    await once(socket, 'close');
    return said;
  };
  assert.match(await half('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^HTTP\/1\.1 200 [\s\S]*hello$/);
  assert.doesNotMatch(await half('GET / HTTP/1.1\r\nHost'), / 200 /);
});

test('stops without waiting for idle keep-alive connections', async (t) => {
  const http = await listen(t);
  const agent = new Agent({ keepAliveTimeout: 60_000 });
  t.after(() => agent.destroy());
  const { body } = await request(http.url, { dispatcher: agent });
  assert.equal(await body.text(), 'hello');
  const began = performance.now();
  await http.close(60_000);
  assert.ok(performance.now() - began < 30_000);
});

test('lets a request under way finish, and accepts no new one', async (t) => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const app = new Hono().get('/', async (c) => {
    arrived.resolve();
    await gate.promise;
    return c.text('done');
  });
  const http = await listen(t, app);
  const asked = request(http.url);
  await arrived.promise;
  const began = performance.now();
  const closing = http.close(60_000);
  await assert.rejects(request(http.url), /ECONNREFUSED/);
  gate.resolve();
  assert.equal(await (await asked).body.text(), 'done');
  await closing;
  // The client would have kept its connection open for a minute.
  assert.ok(performance.now() - began < 30_000);
});

test('cuts requests that have not finished when the grace period is over', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const app = new Hono().get('/', () => {
    arrived.resolve();
    return new Promise<Response>(() => undefined);
  });
  const http = await listen(t, app);
  const asked = request(http.url).then(
    () => 'answered',
    () => 'cut',
  );
  await arrived.promise;
  await http.close(50);
  assert.equal(await asked, 'cut');
});
