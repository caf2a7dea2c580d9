// What errors say, and what they do not reveal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beyondRetention, EXIT, stackOf, worstExit } from '../src/errors.ts';

const ADDRESS = 'ada@example.com';

test('a stack trace names errors and frames, and never a message', () => {
  const error = new TypeError(`at ${ADDRESS}\n    at ${ADDRESS}`, { cause: new RangeError(ADDRESS) });
  const text = stackOf(error);
  assert.match(text, /^TypeError\n +at .*errors\.test\.ts[^]*\ncaused by RangeError\n +at /);
  assert.ok(!text.includes(ADDRESS));
});

test('if the message was changed, the frames are left out: they may begin with the old message', () => {
  const error = new TypeError(`\n    at ${ADDRESS}`);
  // The engine writes the trace when it is first asked for.
  assert.ok(error.stack?.includes(ADDRESS));
  error.message = 'another one';
  assert.equal(stackOf(error), 'TypeError');
  assert.ok(!stackOf(`a text with ${ADDRESS}`).includes(ADDRESS));
});

test('an error about an instant before the whole history says since when it is whole, if that is known', () => {
  const since = '2026-03-01T00:00:00.000Z';
  for (const error of [beyondRetention(since), beyondRetention(null)])
    assert.deepEqual([error.code, error.exit], ['BEYOND_RETENTION', EXIT.failed]);
  assert.ok(beyondRetention(since).message.includes(`Ask for ${since} or later`));
  assert.doesNotMatch(beyondRetention(null).message, /null|undefined/);
});

test('of several exit codes, the one that most urgently needs a person decides', () => {
  const { done, failed, usage, tryLater, permission, configuration } = EXIT;
  const order = [configuration, usage, permission, failed, tryLater, done];
  for (const [at, code] of order.entries()) assert.equal(worstExit(order.slice(at).toReversed()), code);
  assert.equal(worstExit([]), done);
});
