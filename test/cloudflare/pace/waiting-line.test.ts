// Requests that wait for something, in order of arrival.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWaitingLine } from '../../../src/cloudflare/pace/waiting-line.ts';

const patient = new AbortController().signal;

test('the first request goes first, and requests that gave up are skipped', async () => {
  let left = 0;
  const line = createWaitingLine(() => (left += 1));
  const given = new AbortController();
  const gone: string[] = [];
  const first = line.join(given.signal);
  const second = line.join(patient).then(() => gone.push('second'));
  const third = line.join(patient).then(() => gone.push('third'));
  given.abort(new Error('given up'));
  await assert.rejects(first, /given up/);
  assert.equal(line.length(), 2);
  line.letGo();
  line.letGo();
  await Promise.all([second, third]);
  assert.deepEqual(gone, ['second', 'third']);
  assert.equal(left, 0, 'others were still waiting');
});

test('reports when the last waiting request has given up', async () => {
  let left = 0;
  const line = createWaitingLine(() => (left += 1));
  const given = new AbortController();
  const waiting = line.join(given.signal);
  given.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  assert.equal(left, 1);
  assert.equal(line.length(), 0);
});

test('a request that has already given up does not join', async () => {
  const line = createWaitingLine(() => assert.fail('nobody was waiting'));
  await assert.rejects(line.join(AbortSignal.abort(new Error('given up'))), /given up/);
  assert.equal(line.length(), 0);
});

test('a request that was let through can no longer give up', async () => {
  const line = createWaitingLine(() => assert.fail('nobody was waiting'));
  const given = new AbortController();
  const waiting = line.join(given.signal);
  line.letGo();
  given.abort(new Error('too late'));
  await waiting;
});
