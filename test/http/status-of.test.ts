// The HTTP status of an error, compared with the exit code of a command for the same error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS, EXIT, OperatorError, type ErrorCode } from '../../src/errors.ts';
import { statusOf } from '../../src/http/status-of.ts';

const errorOf = (code: ErrorCode) => new OperatorError({ code, happened: '', means: '', todo: '' });
const CODES = Object.keys(ERRORS) as ErrorCode[];

test('a status says who can fix the error: the client, an administrator, time, or nobody', () => {
  for (const [code, status] of [
    ['USER_NOT_FOUND', 404],
    ['BEYOND_RETENTION', 404],
    ['USER_AMBIGUOUS', 400],
    ['ACCOUNT_NOT_CONFIGURED', 400],
    ['DATABASE_PERMISSION', 403],
    ['ROLES_MISSING', 503],
    ['DATABASE_SLOW', 503],
    ['DATABASE_ERROR', 500],
  ] as const)
    assert.equal(statusOf(errorOf(code)), status, code);
  assert.equal(statusOf(new Error('a defect')), 500);
});

test('only a temporary error or an error of configuration asks the client to retry', () => {
  const temporary = CODES.filter((code) => statusOf(errorOf(code)) === 503);
  const expected = CODES.filter((code) =>
    ([EXIT.tryLater, EXIT.configuration] as number[]).includes(ERRORS[code]),
  );
  assert.deepEqual(temporary, expected);
});
