// Whether the list of accounts is trusted, and when it is read again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListTrust, pauseAfter } from '../../src/accounts/list-trust.ts';
import { OperatorError } from '../../src/errors.ts';

const TIMING = { freshMs: 60_000, retryMs: 5_000, longestRetryMs: 300_000 };

function problem(happened: string): OperatorError {
  return new OperatorError({ code: 'ACCOUNT_FILE_UNUSABLE', happened, means: 'nothing', todo: 'mend it' });
}

function onStage() {
  const said: string[] = [];
  const log = (_: unknown, message: string) => void said.push(message);
  const logger = { info: log, error: log } as never;
  return { said, trust: createListTrust({ timing: TIMING, readAt: null, logger }) };
}

test('the pause doubles after each failure, up to the longest', () => {
  assert.deepEqual(
    [1, 2, 3, 7, 50].map((failures) => pauseAfter(failures, TIMING)),
    [5_000, 10_000, 20_000, 300_000, 300_000],
  );
});

test('a reading that is trusted is not repeated while it is fresh', () => {
  const { said, trust } = onStage();
  assert.equal(trust.isTooEarly(), false);
  trust.confirm(3);
  assert.equal(trust.isTooEarly(), true);
  assert.equal(trust.isDoubted(), false);
  assert.ok(Date.now() - trust.readAt()! < 10_000);
  assert.deepEqual(said, [], 'that is no news');
});

test('each problem is reported once, and so is its end', () => {
  const { said, trust } = onStage();
  for (const happened of ['one', 'one', 'another', 'another']) trust.doubt(problem(happened), 3);
  assert.equal(said.length, 2);
  assert.equal(trust.isDoubted(), true);
  assert.equal(trust.readAt(), null);
  trust.confirm(3);
  trust.confirm(3);
  assert.deepEqual(said.slice(2), ['the list of accounts can be trusted again']);
  trust.doubt(problem('another'), 3);
  assert.equal(said.length, 4, 'it has come back');
});
