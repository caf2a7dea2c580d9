// Permits that are reserved and not used yet: which chunk is used, and how many permits to reserve next.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_CHUNK } from '../../../src/cloudflare/pace/permit-rules.ts';
import { createPermitStock, type Chunk } from '../../../src/cloudflare/pace/permit-stock.ts';

function chunk(left: number, until = 1_000): Chunk {
  return { left, from: 0, until, of: { identity: 'one', windowMs: 300_000, slice: until } };
}

test('chunks are used in order of arrival, and each chunk that is used up makes the next one larger', () => {
  const stock = createPermitStock();
  stock.add(chunk(2));
  stock.add(chunk(1, 2_000));
  assert.equal(stock.size(), FIRST_CHUNK);
  stock.spend();
  assert.equal(stock.first()?.left, 1);
  stock.spend();
  assert.equal(stock.first()?.until, 2_000);
  assert.equal(stock.size(), 2 * FIRST_CHUNK);
  stock.spend();
  assert.equal(stock.first(), undefined);
  assert.equal(stock.size(), 4 * FIRST_CHUNK);
});

test('the stock is running out when a quarter of the last chunk is left, but not while chunks are small', () => {
  const stock = createPermitStock();
  stock.add(chunk(1));
  assert.equal(stock.isRunningOut(), false, 'the first chunk may be the only one that is needed');
  stock.spend();
  assert.equal(stock.isRunningOut(), false, 'it has run out');
  stock.add(chunk(3));
  assert.equal(stock.isRunningOut(), false, 'more than a quarter of 8 is left');
  stock.spend();
  assert.equal(stock.isRunningOut(), true);
  stock.add(chunk(8));
  assert.equal(stock.isRunningOut(), false, 'there is another chunk');
});

test('expired chunks are removed, in whatever order they expire, and the next chunk is small again', () => {
  const stock = createPermitStock();
  stock.add(chunk(1));
  stock.spend();
  for (const until of [3_000, 1_000, 2_000]) stock.add(chunk(5, until));
  assert.deepEqual(stock.takeExpired(999), []);
  assert.equal(stock.size(), 2 * FIRST_CHUNK);
  assert.deepEqual(
    stock.takeExpired(2_000).map(({ until }) => until),
    [1_000, 2_000],
  );
  assert.equal(stock.size(), FIRST_CHUNK);
  assert.equal(stock.first()?.until, 3_000);
});

test('an empty stock gives nothing back, and keeps the size of its next chunk', () => {
  const stock = createPermitStock();
  stock.add(chunk(1));
  stock.spend();
  assert.deepEqual(stock.takeAll(), []);
  assert.equal(stock.size(), 2 * FIRST_CHUNK);
  stock.add(chunk(5));
  assert.equal(stock.takeAll().length, 1);
  assert.equal(stock.size(), FIRST_CHUNK);
  assert.equal(stock.first(), undefined);
});
