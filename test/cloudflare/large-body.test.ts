// Bodies too large to hold in memory, through the whole client: what is read from them, how they fail, what they cost.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { collectRecords, type OpenReader } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { parseRecord } from '../../src/cloudflare/endpoints/summary/record.ts';
import { uuidOf } from '../support/world/random-world.ts';
import {
  ACCOUNT,
  failed,
  harness,
  json,
  listen,
  PAGE,
  RECORD,
  refusalOf,
  text,
  type Harness,
  type Reply,
} from '../support/api/api-server.ts';

const MIB = 1024 * 1024;
const jsonHead = { 'content-type': 'application/json' };
const users = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    ...RECORD,
    user_id: `user-${n}`,
    event_count: n,
    'new-field': n,
  }));
const pageOf = (count: number) => ({
  ...PAGE,
  result: { users: users(count) },
  result_info: { total_count: count },
});
/** Treats every body as too large to hold in memory. */
const STREAM = { bodyLimits: { heldBytes: 0 } };

function ask<T>(h: Harness, openReader: OpenReader<T>, signal = new AbortController().signal) {
  return h.client.summaryPage({
    accountId: ACCOUNT,
    page: 1,
    perPage: 50,
    signal,
    countUse: h.countUse,
    openReader,
  });
}

/** Sends piece after piece, as fast as the client takes them, or with a pause after each. */
function sending(pieces: Iterable<string | Buffer>, head = jsonHead, pauseMs = 0): Reply {
  return (_request, response) => {
    response.writeHead(200, head);
    void (async () => {
      for (const piece of pieces) {
        if (response.destroyed) return;
        if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
        if (pauseMs > 0) await after(pauseMs);
      }
      response.end();
    })();
  };
}

function* repeated(piece: string, bytes: number): Generator<string> {
  const block = piece.repeat(Math.ceil(65_536 / piece.length));
  for (let sent = 0; sent < bytes; sent += block.length) yield block;
}

test('a streamed page gives the same result as the same page held in memory', async (t) => {
  const replies = [pageOf(3_000), pageOf(0), { success: true }, pageOf(1)].map((page) => json(200, page));
  const held = await harness(t, replies);
  const streamed = await harness(t, replies, STREAM);
  for (let n = 0; n < replies.length; n++) assert.deepEqual(await streamed.ask(), await held.ask());
});

test('a body above the limit is streamed, whether or not it states its length', async (t) => {
  const body = Buffer.from(JSON.stringify(pageOf(30_000)));
  assert.ok(body.length > 5 * MIB);
  for (const head of [jsonHead, { ...jsonHead, 'content-length': String(body.length) }]) {
    const h = await harness(t, [sending([body], head)]);
    let opened = 0;
    const page = await ask(h, () => {
      opened++;
      assert.ok(h.usage.bytes < body.length, 'it was opened before the whole body had come');
      let sum = 0;
      return { add: (record) => void (sum += (record as typeof RECORD).event_count), end: () => sum };
    });
    assert.deepEqual([page.content, page.count, page.bytes, opened], [449_985_000, 30_000, body.length, 1]);
    assert.deepEqual([page.info, page.unknownFields], [{ total_count: 30_000 }, ['(unprintable)']]);
  }
});

test('a streamed body that arrives byte by byte is read correctly', async (t) => {
  const body = Buffer.from(
    `\ufeff${JSON.stringify({ success: true, result: { users: [{ name: 'Ådå 😀' }] } })}`,
  );
  const bytes = [...body].map((byte) => Buffer.of(byte));
  const h = await harness(t, [sending(bytes, jsonHead, 1)], STREAM);
  assert.deepEqual((await h.ask()).content, [{ name: 'Ådå 😀' }]);
});

test('a streamed answer that did not succeed is judged by its errors, and its reader is dropped', async (t) => {
  const slow = { ...pageOf(2), success: false, errors: [{ code: 971, message: 'slow' }] };
  const h = await harness(t, [json(200, slow, { 'retry-after': '3' }), json(200, pageOf(1))], STREAM);
  const ended: boolean[] = [];
  const page = await ask(h, () => {
    const nth = ended.push(false) - 1;
    const reader = collectRecords();
    return {
      add: (record) => reader.add(record),
      end() {
        ended[nth] = true;
        return reader.end();
      },
    };
  });
  assert.deepEqual([page.content.length, ended, h.slept], [1, [false, true], [3_000]]);
});

test('a streamed body that is not a summary is BAD_ANSWER, with the same description as a held one', async (t) => {
  const html = `<html><title>Just a moment</title>${'<p>wait</p>'.repeat(10_000)}`;
  for (const reply of [
    text(200, html, { 'content-type': 'text/html' }),
    text(200, html, jsonHead),
    text(200, JSON.stringify(PAGE), { 'content-type': 'text/html' }),
    text(200, JSON.stringify(PAGE).slice(0, -1), jsonHead),
    text(200, JSON.stringify({ success: true, result: [] }), jsonHead),
    failed(200, 4711, 'told so'),
  ]) {
    const [held, streamed] = [await harness(t, [reply]), await harness(t, [reply], STREAM)];
    const [expected, actual] = [await held.refusal(), await streamed.refusal()];
    assert.equal(expected.code, 'BAD_ANSWER');
    assert.deepEqual(
      [actual.code, actual.happened, streamed.usage.requests],
      [expected.code, expected.happened, held.usage.requests],
    );
  }
});

test('a streamed body that is cut is requested again, and the part that had arrived is dropped', async (t) => {
  const body = JSON.stringify(pageOf(20_000));
  const cut: Reply = (_request, response) => {
    response.writeHead(200, { ...jsonHead, 'content-length': String(body.length) });
    response.write(body.slice(0, -10_000));
    setTimeout(() => response.destroy(), 50);
  };
  const h = await harness(t, [cut, cut, json(200, pageOf(2))], STREAM);
  const opened: unknown[][] = [];
  const page = await ask(h, () => {
    const reader = collectRecords();
    opened.push(reader.end());
    return reader;
  });
  assert.deepEqual([page.count, page.content.length, h.usage.retries], [2, 2, 2]);
  assert.deepEqual([opened.length, opened[0]!.length > 15_000], [3, true]);
  assert.equal(page.content, opened[2]);
});

test("a streamed body may take longer than a page's deadline while data keeps coming", async (t) => {
  const body = JSON.stringify(pageOf(3_000));
  const steadily = sending(body.match(/.{1,10000}/g) ?? [], jsonHead, 20);
  const timing = { pageMs: 400 };
  const bytesPerSecond = 100_000;
  const h = await harness(t, [steadily], { bodyLimits: { heldBytes: 0, bytesPerSecond }, timing });
  assert.equal((await h.ask()).count, 3_000);
  const late = await harness(t, [steadily], {
    bodyLimits: { heldBytes: 0, bytesPerSecond: 5_000_000 },
    timing,
  });
  assert.match((await late.refusal()).happened, /PAGE_DEADLINE/);
});

test('a streamed body that drips is refused after the deadline of a page', async (t) => {
  const drip: Reply = (_request, response) => {
    response.writeHead(200, jsonHead);
    response.write('{"success":true,"result":{"users":[');
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  };
  const h = await harness(t, [drip], { ...STREAM, timing: { pageMs: 150 } });
  const began = performance.now();
  assert.match((await h.refusal()).happened, /PAGE_DEADLINE/);
  assert.equal(h.usage.requests, 3);
  // It would drip without end.
  assert.ok(performance.now() - began < 30_000);
});

test('a reader that keeps a page waiting does not use up the deadline, whether the page is held or streamed', async (t) => {
  for (const extra of [{}, STREAM]) {
    const h = await harness(t, [json(200, pageOf(20_000))], {
      ...extra,
      bodyLimits: { heldBytes: extra === STREAM ? 0 : 64 * MIB },
      timing: { pageMs: 1_000, bodyMs: 100 },
    });
    const page = await ask(h, async () => {
      await after(2_500);
      return collectRecords();
    });
    assert.deepEqual([page.count, h.usage.requests], [20_000, 1]);
  }
});

test('an error thrown by a reader ends the page unchanged, and nothing is retried', async (t) => {
  const full = new Error('disk full');
  const readers: OpenReader<unknown>[] = [
    () => {
      throw full;
    },
    () => Promise.reject(full),
    () => ({
      add() {
        throw full;
      },
      end: () => null,
    }),
    () => ({
      add() {},
      end() {
        throw full;
      },
    }),
  ];
  for (const extra of [{}, STREAM]) {
    for (const openReader of readers) {
      const h = await harness(t, [json(200, PAGE)], extra);
      await assert.rejects(ask(h, openReader), (error) => error === full);
      assert.equal(h.usage.requests, 1);
      assert.equal((await h.ask()).count, 1, 'the next page does not wait for it');
    }
  }
});

test('an abort ends the wait for a reader at once', async (t) => {
  for (const extra of [{}, STREAM]) {
    const h = await harness(t, [json(200, PAGE)], extra);
    const stop = new AbortController();
    const reason = new Error('time budget');
    const asked = ask(
      h,
      () => {
        setTimeout(() => stop.abort(reason), 10);
        return new Promise<never>(() => {});
      },
      stop.signal,
    );
    await assert.rejects(asked, (error) => error === reason);
  }
});

test('pages resolve in the order in which their bodies ended, however long their readers take', async (t) => {
  const h = await harness(t, [json(200, PAGE)]);
  const order: number[] = [];
  const waits = [120, 5, 60, 1];
  const pages: Promise<unknown>[] = [];
  for (const [n, ms] of waits.entries()) {
    const { promise: read, resolve } = Promise.withResolvers<void>();
    const page = ask(h, async () => {
      resolve();
      await after(ms);
      if (n === 2) throw new Error('broken');
      return collectRecords();
    });
    pages.push(page.then(() => order.push(n)).catch(() => order.push(-n)));
    await read;
  }
  await Promise.all(pages);
  // The third page fails at once: it does not wait for the pages before it.
  assert.deepEqual(
    order.filter((n) => n !== -2),
    [0, 1, 3],
  );
  assert.ok(order.includes(-2));
});

async function grown(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) / 1024;
}

const oneLongRecord = function* () {
  yield '{"success":true,"result":{"users":[{"user_id":"a","name":"';
  yield* repeated('x', 200 * MIB);
};
const longEnvelope = function* () {
  yield '{"success":true,"messages":["';
  yield* repeated('x', 200 * MIB);
};
const manyRecords = function* () {
  yield '{"success":true,"result":{"users":[7';
  yield* repeated(',{"user_id":"a"}', 200 * MIB);
};

for (const [title, pieces, code, said, extra] of [
  ['30 MB of opening brackets', () => repeated('[', 30 * MIB), 'BAD_ANSWER', /not JSON/, {}],
  ['30 MB of opening braces', () => repeated('{"a":', 30 * MIB), 'BAD_ANSWER', /not JSON/, {}],
  ['one record of 200 MB', oneLongRecord, 'BODY_TOO_LARGE', /a record of more than 1 MiB/, {}],
  ['200 MB outside the records', longEnvelope, 'BODY_TOO_LARGE', /more than 1 MiB besides its records/, {}],
  ['endless white space', () => repeated(' ', 200 * MIB), 'BODY_TOO_LARGE', /besides its records/, {}],
  [
    'more than any summary',
    manyRecords,
    'BODY_TOO_LARGE',
    /longer than the limit/,
    { bodyLimits: { summaryBytes: 20 * MIB } },
  ],
] as const) {
  test(`${title}: refused as ${code} before the whole body has come, in little memory`, async (t: TestContext) => {
    const h = await harness(t, [(...args) => sending(pieces())(...args)], extra);
    const megabytes = await grown(async () => {
      const error = await refusalOf(ask(h, () => ({ add() {}, end() {} })));
      assert.equal(error.code, code);
      assert.match(error.happened, said);
    });
    const bytes = h.usage.bytes / h.usage.requests;
    assert.ok(bytes < 21 * MIB, `${bytes} bytes`);
    assert.ok(megabytes < 100, `${megabytes} MB`);
  });
}

test("a user's own record is held in memory, and refused when it is too long", async (t) => {
  const h = await harness(t, [(...args) => sending(repeated(' ', 200 * MIB))(...args)]);
  const { signal } = new AbortController();
  const error = await refusalOf(
    h.client.lookUpUser({ accountId: ACCOUNT, userId: 'a', signal, countUse: h.countUse }),
  );
  assert.equal(error.code, 'BODY_TOO_LARGE');
  assert.ok(h.usage.bytes < 18 * MIB);
});

const CHILD = `
const { createCloudflareClient } = await import(process.argv[1]);
const held = process.argv[3] === 'held';
const client = createCloudflareClient({
  baseUrl: new URL(process.argv[2]), auth: { kind: 'token', token: 't'.repeat(40) },
  logger: { debug() {}, info() {}, warn() {} }, ...(held ? { bodyLimits: { heldBytes: 2 ** 30 } } : {}),
});
const countUse = () => undefined;
const { signal } = new AbortController();
const page = (accountId) => client.summaryPage({
  accountId, page: 1, perPage: 5, signal, countUse, openReader: () => ({ add() {}, end() {} }),
});
await page('small');
const before = process.resourceUsage().maxRSS;
const cpu = process.cpuUsage();
const { count, bytes } = await page('large');
const { user, system } = process.cpuUsage(cpu);
const grown = (process.resourceUsage().maxRSS - before) / 1024;
console.log(JSON.stringify({ count, bytes, grown, microseconds: (user + system) / count }));
await client.close();
`;

test('200,000 users in one answer are read in a few megabytes', async (t) => {
  const baseUrl = await listen(t, (request, response) => {
    const count = request.url!.includes('/large/') ? 200_000 : 10;
    const body = function* () {
      yield '{"success":true,"errors":[],"messages":[],"result":{"users":[';
      for (let n = 0; n < count; n += 1_000) {
        const some = users(Math.min(1_000, count - n)).map((one, at) =>
          JSON.stringify({
            ...one,
            user_id: uuidOf(`user ${n + at}`),
            email: `${'x'.repeat(60)}@example.com`,
          }),
        );
        yield (n === 0 ? '' : ',') + some.join(',');
      }
      yield `]},"result_info":{"total_count":${count}}}`;
    };
    sending(body())(request, response, 0);
  });
  const client = new URL('../../src/cloudflare/client.ts', import.meta.url).href;
  const read = async (how: 'held' | 'streamed') => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      CHILD,
      client,
      String(baseUrl),
      how,
    ]);
    return JSON.parse(stdout) as { count: number; bytes: number; grown: number; microseconds: number };
  };
  const [streamed, held] = [await read('streamed'), await read('held')];
  t.diagnostic(JSON.stringify({ streamed, held }));
  assert.deepEqual([streamed.count, streamed.bytes], [held.count, held.bytes]);
  assert.ok(streamed.grown < 60, `${streamed.grown} MB`);
  assert.ok(held.grown > 2 * streamed.grown, `${held.grown} MB when the body is held`);
});

describe('a text that costs nothing to send, and much to parse', () => {
  const deepRecord = `{"user_id":"${uuidOf('deep')}","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const page = (list: string) =>
    `{"success":true,"result":{"users":[${list}]},"result_info":{"total_count":3}}`;

  for (const [how, options] of [
    ['held', {}],
    ['streamed', STREAM],
  ] as const) {
    test(`one record that nests too deeply is one rejected record, in a body that is ${how}`, async (t) => {
      const list = [JSON.stringify(RECORD), deepRecord, JSON.stringify({ ...RECORD, name: null })].join(',');
      const h = await harness(t, [text(200, page(list), jsonHead)], options);
      const parsed = (await ask(h, () => collectRecords())).content.map(parseRecord);
      assert.deepEqual(
        parsed.map((one) => (one.ok ? 'accepted' : [one.reason, one.userId])),
        ['accepted', ['record: nested too deeply', uuidOf('deep')], 'accepted'],
      );
    });

    test(`anything else that nests too deeply is BAD_ANSWER, in a body that is ${how}`, async (t) => {
      const nested = '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000);
      const bodies = [
        '['.repeat(900_000),
        '{"a":'.repeat(100_000),
        `{"success":true,"result":{"users":[${JSON.stringify(RECORD)}]},"result_info":${nested}}`,
        `{"success":true,"messages":[${nested}],"result":{"users":[]}}`,
        `{"success":false,"errors":[${nested}]}`,
        `{"success":true,"result":{"users":[${'['.repeat(900_000)}`,
      ];
      for (const body of bodies) {
        const h = await harness(t, [text(200, body, jsonHead)], options);
        assert.equal((await refusalOf(h.ask())).code, 'BAD_ANSWER', body.slice(0, 60));
      }
    });
  }

  test('the answers of other endpoints are refused as well', async (t) => {
    const nested = `{"success":true,"result":{"events":[${'['.repeat(5_000)}${']'.repeat(5_000)}]}}`;
    for (const [body, code] of [
      ['['.repeat(1_900_000), 'BAD_ANSWER'],
      [nested, 'BAD_ANSWER'],
      [`{"success":true,"result":{"events":[${'{},'.repeat(900_000)}{}]}}`, 'BODY_TOO_LARGE'],
    ] as const) {
      const h = await harness(t, [text(200, body, jsonHead)]);
      const { signal } = new AbortController();
      const asked = { accountId: ACCOUNT, signal, countUse: h.countUse };
      assert.equal((await refusalOf(h.client.lookUpUser({ ...asked, userId: RECORD.user_id }))).code, code);
      assert.equal((await refusalOf(h.client.verifyToken(asked))).code, code);
      assert.equal((await refusalOf(h.client.verifyKey(asked))).code, code);
    }
  });

  test('brackets inside texts do not count', async (t) => {
    const name = `${'['.repeat(5_000)}\\"{`;
    const h = await harness(t, [json(200, { ...PAGE, result: { users: [{ ...RECORD, name }] } })]);
    const { content } = await ask(h, () => collectRecords());
    assert.equal((content[0] as typeof RECORD).name, name);
  });
});
