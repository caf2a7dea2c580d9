// Bodies too large to hold in memory, through the whole client: what is read from them, and how they fail.
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { test } from 'node:test';
import { collectRecords, type OpenReader } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { failed, harness, json, PAGE, type RECORD, text, type Reply } from '../support/api/api-server.ts';
import { ask, jsonHead, MIB, pageOf, sending, STREAM } from '../support/api/large-bodies.ts';

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

test("a streamed body may take longer than a page's deadline while data keeps arriving", async (t) => {
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
