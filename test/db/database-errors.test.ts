import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseError, isConnectionLoss, isHostAway, isPassing } from '../../src/db/database-errors.ts';
import { EXIT, OperatorError } from '../../src/errors.ts';

const coded = (code: string) => new Error('query', { cause: Object.assign(new Error('x'), { code }) });

const HOST_AWAY = ['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'];
const LOST = [
  ...[...HOST_AWAY, '08006', '57P01', '57P03', 'ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT'].map(coded),
  // The messages of pg 8 and pg-pool 3.
  ...[
    'Connection terminated unexpectedly',
    'Client has encountered a connection error and is not queryable',
    'Query read timeout',
    'timeout expired',
    'timeout exceeded when trying to connect',
  ].map((message) => new Error('query', { cause: new Error(message) })),
];

test('a connection that is lost or cannot be made is a passing fault, called DATABASE_UNAVAILABLE', () => {
  for (const error of LOST) {
    const seen = [isConnectionLoss(error), isPassing(error), databaseError(error)?.code];
    assert.deepEqual(seen, [true, true, 'DATABASE_UNAVAILABLE'], JSON.stringify(error.cause));
    assert.equal(databaseError(error)?.exit, EXIT.tryLater);
  }
  assert.deepEqual(
    LOST.filter(isHostAway).map((error) => (error.cause as { code?: string }).code),
    HOST_AWAY,
  );
});

test('an error of a statement is not a lost connection, and passes only when the server rolled back because of other transactions', () => {
  for (const sqlstate of ['40P01', '40001', '55P03', '57014', '53300', '53100', '25006', '28P01', '23505']) {
    const passes = /^(40|55)/.test(sqlstate);
    assert.deepEqual(
      [isConnectionLoss(coded(sqlstate)), isPassing(coded(sqlstate))],
      [false, passes],
      sqlstate,
    );
  }
  const own = new OperatorError({
    code: 'ENDPOINT_NOT_FOUND',
    happened: 'timeout expired',
    means: 'ours',
    todo: 'none',
  });
  for (const other of [own, new Error('x', { cause: own }), new Error('a defect'), 'text', null]) {
    assert.deepEqual(
      [isConnectionLoss(other), isPassing(other), databaseError(other)],
      [false, false, undefined],
    );
  }
});

test('a transaction that kept being rolled back because of others fails with the advice to try later', () => {
  for (const sqlstate of ['40P01', '40001', '55P03']) {
    const error = databaseError(coded(sqlstate));
    assert.deepEqual([error?.code, error?.exit], ['DATABASE_BUSY', EXIT.tryLater], sqlstate);
  }
});
