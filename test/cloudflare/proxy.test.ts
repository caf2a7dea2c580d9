// Proxies come from the configuration alone. A private certificate authority comes from Node's own variable.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as forward, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createCloudflareClient } from '../../src/cloudflare/client.ts';
import { harness, json, PAGE, TOKEN } from '../support/api/api-server.ts';

type Proxy = { url: string; seen: string[]; authorization: (string | undefined)[] };

async function startProxy(t: TestContext, refusal?: number): Promise<Proxy> {
  const seen: string[] = [];
  const authorization: Proxy['authorization'] = [];
  const server: Server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    authorization.push(request.headers['proxy-authorization']);
    if (refusal !== undefined) return void response.writeHead(refusal).end();
    const { 'proxy-authorization': _, ...headers } = request.headers;
    forward(request.url!, { headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, socket: Socket) => {
    seen.push(`CONNECT ${request.url}`);
    authorization.push(request.headers['proxy-authorization']);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`);
    const [host, port] = request.url!.split(':');
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    for (const end of [target, socket]) end.on('error', () => {});
    sockets.add(target);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, authorization };
}

test("goes through the proxy for its protocol, with the proxy's password", async (t) => {
  const proxy = await startProxy(t);
  const withPassword = proxy.url.replace('//', '//user:p%40ss@');
  const h = await harness(t, [json(200, PAGE)], { proxy: { httpProxy: withPassword } });
  assert.equal((await h.ask()).count, 1);
  assert.equal(proxy.seen.length, 1);
  assert.equal(proxy.authorization[0], `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
  assert.equal(h.requests[0]!.headers['authorization'], `Bearer ${TOKEN}`);
});

test('connects directly where NO_PROXY says so, or when the proxy is for another protocol', async (t) => {
  const proxy = await startProxy(t);
  for (const settings of [
    { httpProxy: proxy.url, noProxy: 'example.com,127.0.0.1' },
    { httpProxy: proxy.url, noProxy: '*' },
    { httpsProxy: proxy.url },
    {},
  ]) {
    const h = await harness(t, [json(200, PAGE)], { proxy: settings });
    assert.equal((await h.ask()).count, 1);
  }
  assert.deepEqual(proxy.seen, []);
});

test('never takes a proxy from the environment of the process', async (t) => {
  const proxy = await startProxy(t);
  const saved = { ...process.env };
  t.after(() => {
    for (const name of ['http_proxy', 'HTTP_PROXY', 'no_proxy', 'NO_PROXY']) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
  });
  process.env['http_proxy'] = process.env['HTTP_PROXY'] = 'http://127.0.0.1:9';
  process.env['no_proxy'] = process.env['NO_PROXY'] = '*';
  assert.equal((await (await harness(t, [json(200, PAGE)])).ask()).count, 1);
  const h = await harness(t, [json(200, PAGE)], { proxy: { httpProxy: proxy.url } });
  assert.equal((await h.ask()).count, 1);
  assert.equal(proxy.seen.length, 1);
});

test('a proxy that asks for a password is not mistaken for Cloudflare', async (t) => {
  const proxy = await startProxy(t, 407);
  const h = await harness(t, [json(200, PAGE)], { proxy: { httpProxy: proxy.url } });
  const error = await h.refusal();
  assert.deepEqual([error.code, error.exit, h.requests.length], ['PROXY_REFUSED', 78, 0]);
  const tunnel = await harness(t, [json(200, PAGE)], {
    baseUrl: new URL('https://127.0.0.1:9'),
    proxy: { httpsProxy: proxy.url },
  });
  assert.equal((await tunnel.refusal()).code, 'PROXY_REFUSED');
  assert.deepEqual(proxy.seen.slice(-1), ['CONNECT 127.0.0.1:9']);
});

test('refuses a proxy address that cannot be read, and does not quote it', () => {
  for (const httpProxy of ['not a url', 'ftp://user:hunter2@proxy', '://hunter2']) {
    assert.throws(
      () =>
        createCloudflareClient({
          baseUrl: new URL('http://127.0.0.1'),
          auth: { kind: 'token', token: TOKEN },
          logger: {} as never,
          proxy: { httpProxy },
        }),
      (error: Error & { code?: string }) => error.code === 'PROXY_UNUSABLE' && !/hunter2/.test(error.message),
    );
  }
});

const CHILD = `
const { createCloudflareClient } = await import(process.argv[1]);
const openReader = () => ({ add() {}, end() {} });
const client = createCloudflareClient({
  baseUrl: new URL(process.argv[2]), auth: { kind: 'token', token: 't'.repeat(40) }, sleep: async () => {},
  logger: { debug() {}, info() {}, warn() {} }, ...(process.argv[3] ? { proxy: { httpsProxy: process.argv[3] } } : {}),
});
const countUse = () => undefined;
const { signal } = new AbortController();
try {
  const page = await client.summaryPage({ accountId: 'a', page: 1, perPage: 5, signal, countUse, openReader });
  console.log('records', page.count);
} catch (error) {
  console.log(error.code, error.message);
}
await client.close();
`;

test('trusts a private certificate authority named in NODE_EXTRA_CA_CERTS, also through a proxy', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zt-risk-ca-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    const make =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1';
    execFileSync('openssl', [...make.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
  } catch {
    return t.skip('openssl is not installed');
  }
  const server = createTlsServer(
    { key: readFileSync(key), cert: readFileSync(cert) },
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(PAGE));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy = await startProxy(t);
  const module = new URL('../../src/cloudflare/client.ts', import.meta.url).href;
  const run = async (env: Record<string, string>, ...args: string[]) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', CHILD, module, url, ...args],
      { env: { PATH: process.env['PATH'], ...env } },
    );
    return stdout;
  };
  const outputs = await Promise.all([
    run({ NODE_EXTRA_CA_CERTS: cert }),
    run({ NODE_EXTRA_CA_CERTS: cert }, proxy.url),
    run({}),
  ]);
  assert.match(outputs[0], /^records 1/);
  assert.match(outputs[1], /^records 1/);
  assert.match(outputs[2], /^CERTIFICATE_REFUSED .*SELF_SIGNED.*NODE_EXTRA_CA_CERTS/s);
  assert.equal(proxy.seen.length, 1);
});
