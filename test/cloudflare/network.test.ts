// Faults below HTTP: connections and bodies that are cut, late, endless or missing.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createCloudflareClient } from '../../src/cloudflare/client.ts';
import { isPageTimeout } from '../../src/cloudflare/problems/meanings.ts';
import { collectRecords } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { ACCOUNT, harness, json, PAGE, refusalOf, TOKEN, type Reply } from '../support/api/api-server.ts';

const BODY = JSON.stringify(PAGE);
const jsonHead = { 'content-type': 'application/json' };

const cutBody: Reply = (_request, response) => {
  response.writeHead(200, { ...jsonHead, 'content-length': String(BODY.length) });
  response.write(BODY.slice(0, 100));
  setTimeout(() => response.destroy(), 5);
};
const cutChunks: Reply = (_request, response) => {
  response.writeHead(200, jsonHead);
  response.write(BODY);
  setTimeout(() => response.destroy(), 5);
};
const hangUp: Reply = (request) => void request.socket.destroy();
const silent: Reply = () => {};
const stalled: Reply = (_request, response) => {
  response.writeHead(200, { ...jsonHead, 'content-length': String(BODY.length) });
  response.write(BODY.slice(0, 50));
};
const drip: Reply = (_request, response) => {
  response.writeHead(200, jsonHead);
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
};
const truncated: Reply = (_request, response) => {
  response.writeHead(200, { ...jsonHead, connection: 'close' });
  response.end(BODY.slice(0, -5));
};

for (const [name, reply] of Object.entries({ cutBody, cutChunks, hangUp, truncated })) {
  test(`fetches the whole page again after: ${name}`, async (t) => {
    const h = await harness(t, [reply, reply, json(200, PAGE)]);
    const page = await h.ask();
    assert.deepEqual(page.content, PAGE.result.users);
    assert.equal(page.bytes, BODY.length);
    assert.equal(h.usage.retries, 2);
    for (const { headers } of h.requests) assert.equal(headers.range, undefined);
  });
}

test('fails with NETWORK when the connection is always cut', async (t) => {
  const h = await harness(t, [cutBody]);
  const error = await h.refusal();
  assert.deepEqual([error.code, error.exit, h.usage.requests], ['NETWORK', 75, 6]);
  assert.match(error.happened, /UND_ERR_[A-Z_]+/);
  assert.equal(isPageTimeout(error), false);
});

// undici's own timers are up to a second late; ours are not.
for (const [name, reply, cause, timing] of [
  ['headers that never come', silent, 'UND_ERR_HEADERS_TIMEOUT', { headersMs: 80, maxTimeouts: 1 }],
  ['a body that stalls', stalled, 'UND_ERR_BODY_TIMEOUT', { bodyMs: 80, maxTimeouts: 1 }],
  ['a body that drips', drip, 'PAGE_DEADLINE', { pageMs: 150 }],
] as const) {
  test(`gives up on ${name}, so that a smaller page can be tried`, async (t) => {
    const h = await harness(t, [reply], { timing });
    const error = await h.refusal();
    assert.deepEqual([error.code, error.exit], ['NETWORK', 75]);
    assert.equal(h.usage.requests, 'maxTimeouts' in timing ? 1 : 3);
    assert.match(error.happened, new RegExp(cause));
    assert.equal(isPageTimeout(error), true);
  });
}

async function clientFor(t: TestContext, baseUrl: string) {
  const client = createCloudflareClient({
    baseUrl: new URL(baseUrl),
    auth: { kind: 'token', token: TOKEN },
    logger: { debug() {}, info() {}, warn() {} } as never,
    timing: { connectMs: 80, maxAttempts: 2 },
    sleep: async () => {},
  });
  t.after(() => client.close());
  const { signal } = new AbortController();
  return refusalOf(
    client.summaryPage({
      accountId: ACCOUNT,
      page: 1,
      perPage: 5,
      signal,
      countUse() {},
      openReader: collectRecords,
    }),
  );
}

test('reports for every request without an answer whether it was late or cut off', async (t) => {
  const told: string[] = [];
  const h = await harness(t, [silent, hangUp, json(200, PAGE)], {
    timing: { headersMs: 80 },
    onNoAnswer: (why) => told.push(why),
    onAnswer: ({ status }) => told.push(String(status)),
  });
  await h.ask();
  assert.deepEqual(told, ['timeout', 'network', '200']);
});

test('names the cause when nothing listens at the address', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const refused = await clientFor(t, `http://127.0.0.1:${port}`);
  assert.deepEqual([refused.code, refused.exit], ['NETWORK', 75]);
  assert.match(refused.happened, new RegExp(`127\\.0\\.0\\.1:${port} \\(ECONNREFUSED\\)`));
  const unknown = await clientFor(t, 'http://nowhere.invalid');
  assert.equal(unknown.code, 'NETWORK');
  assert.match(unknown.happened, /ENOTFOUND|EAI_AGAIN/);
});

test('gives up on a handshake that never ends, and on a server that does not speak TLS', async (t) => {
  let answer: string | undefined;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (answer !== undefined) socket.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const late = await clientFor(t, url);
  assert.match(late.happened, /UND_ERR_CONNECT_TIMEOUT/);
  assert.equal(isPageTimeout(late), false);
  answer = 'HTTP/1.1 400 Bad Request\r\n\r\n';
  assert.match((await clientFor(t, url)).happened, /SSL|EPROTO|TLS/);
});

test('refuses a body longer than the limit, with or without a declared length, and does not retry', async (t) => {
  const declared: Reply = (_request, response) => {
    response.writeHead(200, { ...jsonHead, 'content-length': String(2 * 1024 * 1024 * 1024) });
    response.write('{');
  };
  const endless: Reply = (_request, response) => {
    response.writeHead(200, jsonHead);
    const piece = Buffer.alloc(1024 * 1024, ' ');
    const more = () => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', more);
    more();
  };
  for (const reply of [declared, endless]) {
    const h = await harness(t, [reply]);
    const error = await h.refusal();
    assert.deepEqual([error.code, error.exit, h.usage.requests], ['BODY_TOO_LARGE', 1, 1]);
    assert.ok(h.usage.bytes < 8 * 1024 * 1024);
  }
});

test('reads no more of an endless error page than it needs', async (t) => {
  const endless: Reply = (_request, response) => {
    response.writeHead(404, { 'content-type': 'text/html' });
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    response.on('drain', more);
    more();
  };
  const h = await harness(t, [endless]);
  assert.equal((await h.refusal()).code, 'ENDPOINT_NOT_FOUND');
  assert.ok(h.usage.bytes < 1024 * 1024);
});

test('refuses a compressed body without unpacking it', async (t) => {
  const bomb: Reply = (_request, response) => {
    response.writeHead(200, { ...jsonHead, 'content-encoding': 'gzip' });
    response.end(gzipSync(Buffer.alloc(10 * 1024 * 1024)));
  };
  const h = await harness(t, [bomb]);
  const error = await h.refusal();
  assert.equal(error.code, 'BAD_ANSWER');
  assert.match(error.happened, /compressed body, although compression was not asked for/);
  const healed = await harness(t, [bomb, json(200, PAGE, { 'content-encoding': 'identity' })]);
  assert.equal((await healed.ask()).count, 1);
});

test('survives a keep-alive connection that is closed between pages', async (t) => {
  const closing: Reply = (request, response, index) => {
    json(200, PAGE)(request, response, index);
    response.on('finish', () => setTimeout(() => request.socket.destroy(), 1));
  };
  const h = await harness(t, [closing]);
  for (let page = 0; page < 10; page++) assert.equal((await h.ask()).count, 1);
});

test('reads text that is split inside a character, and a byte order mark', async (t) => {
  const body = Buffer.from(
    `\ufeff${JSON.stringify({ success: true, result: { users: [{ name: 'Ådå 😀' }] } })}`,
  );
  const split: Reply = (_request, response) => {
    response.writeHead(200, jsonHead);
    let at = 0;
    const timer = setInterval(() => {
      response.write(body.subarray(at, at + 1));
      at += 1;
      if (at >= body.length) {
        clearInterval(timer);
        response.end();
      }
    }, 1);
  };
  const h = await harness(t, [split]);
  assert.deepEqual((await h.ask()).content, [{ name: 'Ådå 😀' }]);
});
