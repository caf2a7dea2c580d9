import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandMacros } from './grafana-macros.ts';

const dashboard = {
  from: new Date('2026-03-01T00:00:00Z'),
  to: new Date('2026-03-02T00:00:00Z'),
  interval: '2h',
  variables: { account: "o'brien" },
};
const expand = (sql: string) => expandMacros(sql, dashboard);

test('a time filter and its ends become instants in UTC', () => {
  const both = "'2026-03-01T00:00:00.000Z' AND '2026-03-02T00:00:00.000Z'";
  assert.equal(expand('$__timeFilter(s.observed_at)'), `s.observed_at BETWEEN ${both}`);
  assert.equal(expand('$__timeFrom() AND $__timeTo()'), both);
});

test('a time group cuts the seconds since 1970 into intervals', () => {
  assert.equal(expand("$__timeGroup(at, '1d')"), 'floor((extract(epoch from at))/86400)*86400');
  assert.equal(expand('$__timeGroup(at, $__interval)'), 'floor((extract(epoch from at))/7200)*7200');
});

test('a variable is quoted where the panel asks for quotes, and inserted raw elsewhere', () => {
  assert.equal(expand('${account:sqlstring}'), "'o''brien'");
  assert.equal(expand("'$account' ${account}"), "'o'brien' o'brien");
});

test('an unknown macro or variable is an error', () => {
  for (const sql of [
    '$__unixEpochFilter(at)',
    '$__timeGroup(at, 1w)',
    '$nobody',
    '${account:csv}',
    '$__timeFilter()',
  ]) {
    assert.throws(() => expand(sql), /^Error: no /, sql);
  }
});
