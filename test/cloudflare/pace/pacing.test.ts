import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLOUDFLARE_LIMIT } from '../../../src/cloudflare/pace/budget.ts';
import { createPacer, type Pacer } from '../../../src/cloudflare/pace/pacing.ts';
import { virtualClock, type VirtualClock } from '../../support/world/virtual-clock.ts';

const signal = new AbortController().signal;
const HEADERS_ONLY = { maxWaitMs: 300_000, limit: null, share: 0.8 };
const MINUTE = 60_000;

/** A clock that only sleeping moves: for requests that run one after the other. */
function clock() {
  let time = 1_000;
  const slept: number[] = [];
  return {
    slept,
    now: () => time,
    sleep: async (ms: number) => {
      slept.push(ms);
      time += ms;
    },
  };
}

/** The highest number of requests in any window of that length; a window may begin at any request. */
function most(starts: readonly number[], windowMs: number): number {
  return Math.max(
    0,
    ...starts.map((from) => starts.filter((at) => at >= from && at < from + windowMs).length),
  );
}

function budget(remaining: number, resetMs: number, quota: number | null = null) {
  return { remaining, resetMs, quota, windowMs: null };
}

test('spreads the remaining requests over the window, and stops spreading when the window is over', async () => {
  const { slept, now, sleep } = clock();
  const pacer = createPacer({ ...HEADERS_ONLY, sleep, now, share: 0.75 });
  assert.equal(await pacer.turn(signal), 0);
  pacer.observe([budget(4, 9_000)]); // 3 may be used
  await pacer.turn(signal);
  assert.deepEqual(slept, [2_250]);
  for (let i = 0; i < 5; i++) await pacer.turn(signal);
  assert.ok(now() <= 1_000 + 9_000 + 1, 'nothing waits once the window is over');
});

test('requests made at the same time queue up behind each other', async () => {
  const waits: number[] = [];
  const pacer = createPacer({ ...HEADERS_ONLY, now: () => 0, sleep: async (ms) => void waits.push(ms) });
  await pacer.turn(signal);
  pacer.observe([budget(432, 193_000, 1200)]);
  await Promise.all([pacer.turn(signal), pacer.turn(signal), pacer.turn(signal)]);
  assert.deepEqual(
    waits.map((ms) => Math.round(ms / 100) / 10),
    [1, 2, 3],
  );
});

test('requests that already wait are subtracted from what a header says remains', async () => {
  const time = virtualClock();
  const pacer = createPacer({ ...HEADERS_ONLY, ...time, share: 1 });
  const starts: number[] = [];
  const ask = async () => {
    await pacer.turn(signal);
    starts.push(time.now() - 1_000);
  };
  pacer.observe([budget(0, 10_000)]);
  const asked = [ask(), ask()];
  pacer.observe([budget(3, 10_000)]);
  assert.equal(pacer.budgetLeft()?.remaining, 1);
  await Promise.all([...asked, ask(), ask(), time.run()]);
  assert.deepEqual(starts, [10_000, 10_000, 10_000, 10_000]);
});

for (const held of [false, true]) {
  test(`a request with a late timer has not been sent: an answer that arrives first leaves it counted once${held ? ', also when a pause holds it back' : ''}`, async () => {
    const { now, sleep } = clock();
    let answered = false;
    const pacer: Pacer = createPacer({
      ...HEADERS_ONLY,
      now,
      async sleep(ms) {
        await sleep(ms + 1);
        if (answered) return;
        answered = true;
        pacer.observe([budget(5, 60_000)]);
        if (held) pacer.pause(5_000);
      },
    });
    pacer.observe([budget(0, 1_000)]);
    await pacer.turn(signal);
    assert.equal(pacer.budgetLeft()?.remaining, 4);
  });
}

test('a pause also holds back the requests that already wait', async () => {
  const { slept, now, sleep } = clock();
  let pausing = true;
  const pacer = createPacer({
    ...HEADERS_ONLY,
    now,
    sleep: async (ms) => {
      await sleep(ms);
      if (pausing) pacer.pause(60_000);
      pausing = false;
    },
  });
  pacer.observe([budget(0, 5_000)]);
  assert.equal(await pacer.turn(signal), 65_000);
  assert.deepEqual(slept, [5_000, 60_000]);
});

test('a request that a pause held back is counted once', async () => {
  const time = virtualClock();
  const pacer = createPacer({
    ...HEADERS_ONLY,
    ...time,
    limit: { requests: 10, windowMs: MINUTE },
    share: 1,
  });
  pacer.observe([budget(0, 1_000)]);
  const asked = pacer.turn(signal);
  pacer.pause(5_000);
  await Promise.all([asked, time.run()]);
  assert.deepEqual(pacer.budgetLeft(), { remaining: 9, quota: 10, resetMs: MINUTE, source: 'own' });
});

test('limits the wait that a header can ask for, and refuses to start when aborted', async () => {
  const { slept, now, sleep } = clock();
  const pacer = createPacer({ ...HEADERS_ONLY, sleep, now });
  pacer.observe([budget(0, 1e12)]);
  await pacer.turn(signal);
  pacer.pause(1e12);
  await pacer.turn(signal);
  assert.deepEqual(slept, [300_000, 300_000]);
  await assert.rejects(pacer.turn(AbortSignal.abort(new Error('stop'))), /stop/);
});

test('a request that was aborted while it waited delays no other request', async () => {
  const { now, sleep } = clock();
  const stop = new Error('stop');
  let refusing = true;
  const pacer = createPacer({
    now,
    maxWaitMs: 300_000,
    limit: { requests: 1, windowMs: 1_000 },
    share: 1,
    sleep: (ms) => (refusing ? Promise.reject(stop) : sleep(ms)),
  });
  await pacer.turn(signal);
  for (let i = 0; i < 5; i++) await assert.rejects(pacer.turn(signal), stop);
  refusing = false;
  assert.equal(await pacer.turn(signal), 1_000);
});

async function walk(pacer: Pacer, time: VirtualClock, requests: number, answerMs: number): Promise<number[]> {
  const starts: number[] = [];
  let asked = 0;
  const worker = async () => {
    while (asked++ < requests) {
      await pacer.turn(signal);
      starts.push(time.now());
      await time.sleep(answerMs);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker(), time.run()]);
  return starts.map((at) => at - 1_000);
}

test('a walk well below the ceiling never waits', async () => {
  const time = virtualClock();
  const pacer = createPacer({ ...HEADERS_ONLY, ...time, limit: CLOUDFLARE_LIMIT });
  const starts = await walk(pacer, time, 768, 0);
  assert.equal(starts.length, 768);
  assert.equal(starts.at(-1), 0);
});

test('a long walk stays below 960 requests in any 5 minutes, uses them, and never stops for long', async () => {
  const time = virtualClock();
  const pacer = createPacer({ ...HEADERS_ONLY, ...time, limit: CLOUDFLARE_LIMIT });
  const starts = await walk(pacer, time, 4_000, 200);
  assert.equal(most(starts, 5 * MINUTE), 960);
  // 4,000 are four times 960, plus 160.
  assert.ok(starts.at(-1)! >= 20 * MINUTE && starts.at(-1)! < 21 * MINUTE, `${starts.at(-1)}`);
  const gaps = starts.slice(1).map((at, i) => at - starts[i]!);
  assert.ok(Math.max(...gaps) < 3_000, `${Math.max(...gaps)}`);
});

test('a header that states another limit for the same window moves the ceiling', async () => {
  const time = virtualClock();
  const pacer = createPacer({ ...HEADERS_ONLY, ...time, limit: CLOUDFLARE_LIMIT });
  const stated = (quota: number, windowMs: number) => ({ remaining: 1e6, resetMs: 1, quota, windowMs });
  pacer.observe([stated(100, MINUTE)]);
  assert.equal(pacer.budgetLeft()?.quota, 100, 'the header counts while its window lasts');
  await Promise.all([time.sleep(1), time.run()]);
  assert.equal(pacer.budgetLeft()?.quota, 960, 'a burst limit of one minute says nothing about five minutes');
  pacer.observe([stated(5_000, 5 * MINUTE), stated(3_000, 5 * MINUTE)]);
  await Promise.all([time.sleep(1), time.run()]);
  assert.deepEqual(pacer.budgetLeft(), { remaining: 2_400, quota: 2_400, resetMs: 0, source: 'own' });
  assert.equal(most(await walk(pacer, time, 6_000, 50), 5 * MINUTE), 2_400);
});

const limits = fc.record({
  requests: fc.integer({ min: 1, max: 25 }),
  windowMs: fc.integer({ min: 1, max: 2_000 }),
});
const shares = fc.constantFrom(0.1, 0.5, 0.8, 1);
const seen = fc.array(
  fc.record({
    remaining: fc.nat(40),
    resetMs: fc.nat(3_000),
    quota: fc.option(fc.nat(60)),
    // The pacer counts no such window: a header that states a counted window would move the ceiling.
    windowMs: fc.option(fc.constant(1e9)),
  }),
  { maxLength: 2 },
);
const events = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.constant(0), fc.nat(400)),
    what: fc.oneof(
      { weight: 6, arbitrary: fc.constant({ kind: 'ask' as const }) },
      { weight: 2, arbitrary: seen.map((budgets) => ({ kind: 'observe' as const, budgets })) },
      { weight: 1, arbitrary: fc.nat(3_000).map((ms) => ({ kind: 'pause' as const, ms })) },
    ),
  }),
  { minLength: 20, maxLength: 120, size: 'max' },
);

test('the requests in any window stay below the ceiling, whenever they are made and whatever the headers say', async () => {
  let waited = 0;
  await fc.assert(
    fc.asyncProperty(limits, shares, events, async (limit, share, events) => {
      const time = virtualClock();
      const pacer = createPacer({ ...time, maxWaitMs: 300_000, limit, share });
      const starts: number[] = [];
      const script = async () => {
        const asked: Promise<void>[] = [];
        for (const { gapMs, what } of events) {
          if (gapMs > 0) await time.sleep(gapMs);
          if (what.kind === 'observe') pacer.observe(what.budgets);
          else if (what.kind === 'pause') pacer.pause(what.ms);
          else
            asked.push(
              pacer.turn(signal).then((ms) => {
                if (ms > 0) waited++;
                starts.push(time.now());
              }),
            );
        }
        await Promise.all(asked);
      };
      await Promise.all([script(), time.run()]);
      assert.equal(starts.length, events.filter(({ what }) => what.kind === 'ask').length);
      assert.ok(most(starts, limit.windowMs) <= Math.max(1, Math.floor(limit.requests * share)));
    }),
    { numRuns: 300 },
  );
  assert.ok(waited > 1_000, `only ${waited} requests had to wait`);
});

test("a single request never waits beyond the end of its window, of the header's window, or of a pause", async () => {
  await fc.assert(
    fc.asyncProperty(limits, shares, events, async (limit, share, events) => {
      const { now, sleep } = clock();
      const pacer = createPacer({ now, sleep, maxWaitMs: 300_000, limit, share });
      let headerEnds = 0;
      let pauseEnds = 0;
      for (const { gapMs, what } of events) {
        await sleep(gapMs);
        if (what.kind === 'observe' && what.budgets.length > 0) {
          pacer.observe(what.budgets);
          headerEnds = now() + Math.max(...what.budgets.map(({ resetMs }) => resetMs));
        } else if (what.kind === 'pause') {
          pacer.pause(what.ms);
          pauseEnds = Math.max(pauseEnds, now() + what.ms);
        } else if (what.kind === 'ask') {
          const latest = Math.max(now() + limit.windowMs, headerEnds, pauseEnds);
          await pacer.turn(signal);
          assert.ok(now() <= latest + 1, `${now()} > ${latest}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('leaves the dashboard its share of every window that the server counts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 60 }),
      shares,
      fc.array(fc.record({ gapMs: fc.nat(80), others: fc.nat(2) }), { maxLength: 150 }),
      async (quota, share, steps) => {
        const { now, sleep } = clock();
        const pacer = createPacer({ now, sleep, maxWaitMs: 300_000, limit: null, share });
        const windowMs = 2_000;
        const reserve = quota - Math.max(1, Math.floor(quota * share));
        let window = { ends: 0, left: quota, told: quota };
        for (const { gapMs, others } of steps) {
          await sleep(gapMs);
          if (now() < window.ends) window.left = Math.max(0, window.left - others);
          await pacer.turn(signal);
          if (now() >= window.ends) window = { ends: now() + windowMs, left: quota, told: quota };
          // Requests that others have made since the last answer cannot be known.
          assert.ok(window.told > reserve, `${window.told} of ${quota}, ${reserve} to leave`);
          window.left = Math.max(0, window.left - 1);
          window.told = window.left;
          pacer.observe([{ remaining: window.left, resetMs: window.ends - now(), quota, windowMs }]);
        }
      },
    ),
  );
});

test('estimates how long a number of requests takes at least', async () => {
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.nat(60),
      fc.option(budgets()),
      fc.integer({ min: 1, max: 120 }),
      async (limit, before, header, requests) => {
        const { now, sleep } = clock();
        const pacer = createPacer({ now, sleep, maxWaitMs: 300_000, limit, share: 0.8 });
        for (let i = 0; i < before; i++) await pacer.turn(signal);
        if (header) pacer.observe([header]);
        const estimate = pacer.estimateMs(requests);
        const began = now();
        for (let i = 0; i < requests; i++) await pacer.turn(signal);
        const took = now() - began;
        assert.ok(estimate <= took + 1, `said ${estimate}, took ${took}`);
        // The estimate may be too low by one window (spreading), the header's window, and a millisecond per timer.
        const slack = limit.windowMs + (header?.resetMs ?? 0) + requests;
        assert.ok(took - estimate <= slack, `said ${estimate}, took ${took}`);
      },
    ),
    { numRuns: 300 },
  );
});

function budgets() {
  return fc.record({
    remaining: fc.nat(80),
    resetMs: fc.nat(3_000),
    quota: fc.option(fc.integer({ min: 1, max: 80 })),
    windowMs: fc.constant(null),
  });
}

test("returns the remaining budget: the header's while its window lasts, then its own count, otherwise null", async () => {
  const { now, sleep } = clock();
  const pacer = createPacer({ ...HEADERS_ONLY, now, sleep, limit: CLOUDFLARE_LIMIT });
  assert.deepEqual(pacer.budgetLeft(), { remaining: 960, quota: 960, resetMs: 0, source: 'own' });
  assert.equal(pacer.estimateMs(768), 0);
  assert.equal(pacer.estimateMs(5_000), 5 * 5 * MINUTE);
  for (let i = 0; i < 10; i++) await pacer.turn(signal);
  await sleep(1_000);
  assert.deepEqual(pacer.budgetLeft(), { remaining: 950, quota: 960, resetMs: 299_000, source: 'own' });
  pacer.observe([budget(7, 2_000, 1200), budget(90, 9_000)]);
  assert.deepEqual(pacer.budgetLeft(), { remaining: 7, quota: 1200, resetMs: 2_000, source: 'header' });
  await sleep(9_001);
  assert.equal(pacer.budgetLeft()?.source, 'own');
  pacer.pause(30_000);
  assert.equal(pacer.estimateMs(1), 30_000);
  assert.equal(pacer.estimateMs(0), 0);
  assert.equal(createPacer({ ...HEADERS_ONLY, now, sleep }).budgetLeft(), null);
});
