// A page that fails, is accepted slowly, or is served again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { answer, HONEST, refused, walkWorld } from '../../support/api/paging-world.ts';
import { pageOf } from '../../support/api/serve-records.ts';
import { info, walkPages } from '../../support/api/walked-worlds.ts';

test('a failing page stops further requests, once the requests under way have ended', async () => {
  const down = refused(503);
  const outcome = await walkWorld(
    { ...HONEST, users: 5_000 },
    { concurrency: 4, refuse: (page) => (page === 7 ? down : null) },
  );
  assert.equal(outcome.error, down);
  const pages = outcome.requests.map(({ page }) => page);
  assert.ok(Math.max(...pages) < 20, `asked for page ${Math.max(...pages)} of 100`);
  assert.equal(new Set(pages).size, pages.length);
});

test('an error of accept stops the walk with that error', async () => {
  const full = new Error('disk full');
  let fetched = 0;
  await assert.rejects(
    walkPages({
      fetchPage: async (page, perPage) => {
        fetched++;
        return answer({ ...HONEST, users: 5_000 }, page, perPage, fetched);
      },
      accept: async (page) => {
        if (page === 5) throw full;
      },
      countMet: async () => 0,
      perPage: 50,
      concurrency: 3,
    }),
    (error) => error === full,
  );
  assert.ok(fetched < 15, `${fetched} requests`);
});

test('no further pages are requested while the database is slow to take the earlier ones', async () => {
  let fetched = 0;
  let accepted = 0;
  let most = 0;
  await walkPages({
    fetchPage: async (page, perPage) => {
      most = Math.max(most, ++fetched - accepted);
      return answer({ ...HONEST, users: 2_000 }, page, perPage, fetched);
    },
    accept: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      accepted++;
    },
    countMet: async () => 2_000,
    perPage: 50,
    concurrency: 3,
  });
  assert.ok(most <= 3, `${most} pages read and not yet staged`);
});

test('the same users in another answer are passed on, because the values may be newer', async () => {
  const seen: unknown[][] = [];
  let count = 0;
  await walkPages({
    fetchPage: async () =>
      pageOf(
        [{ user_id: 'A', event_count: Math.min(++count, 2), risk_score: 1 }],
        { total_count: 1 },
        collectRecords(),
      ),
    accept: async (_page, records) => void seen.push(records),
    countMet: async () => 1,
    perPage: 'auto',
    concurrency: 1,
  }).then((pass) => {
    assert.equal(pass.repeatedPages, 1);
    assert.deepEqual(pass.unknownFields, ['risk_score']);
  });
  assert.deepEqual(
    seen.flat().map((record) => (record as { event_count: number }).event_count),
    [1, 2],
  );
});

test('totals that change during the pass are noted', async () => {
  let nth = 0;
  const pass = await walkPages({
    fetchPage: async (page, perPage) => {
      nth++;
      const world = { ...HONEST, info: info(nth > 2 ? 131 : 130, 'missing') };
      return answer(world, page, perPage, nth);
    },
    accept: async () => undefined,
    countMet: async () => 130,
    perPage: 'auto',
    concurrency: 1,
  });
  assert.deepEqual([pass.totalFirst, pass.totalLast, pass.totalsMoved], [130, 131, true]);
});

test('an answer that holds everything stays usable with a record without a readable user', async () => {
  const records = [{ user_id: 'A' }, { name: 'nobody' }, { user_id: 'B' }];
  const pass = await walkPages({
    fetchPage: async () => pageOf(records, { total_count: 3 }, collectRecords()),
    accept: async () => undefined,
    countMet: async () => 2,
    perPage: 'auto',
    concurrency: 1,
  });
  assert.equal(pass.oneResponse, true);
});
