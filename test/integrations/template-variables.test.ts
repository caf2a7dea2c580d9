import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandMetabase, expandSuperset } from './template-variables.ts';

const values = { account: "o'brien", since: { date: '2026-03-01' } };

test('Metabase inserts literals, and leaves out clauses with a variable that has no value', () => {
  const sql = 'a = {{account}} [[and b > {{since}}]] [[and c = {{nothing}}]]';
  assert.equal(expandMetabase(sql, values), "a = 'o''brien' and b > date '2026-03-01' ");
});

test('Superset inserts the plain text', () => {
  assert.equal(
    expandSuperset("a = '{{ account }}' and b > '{{ since }}'", { ...values, account: 'x' }),
    "a = 'x' and b > '2026-03-01'",
  );
});

test('unknown syntax is an error', () => {
  for (const sql of ['{{nothing}}', '[[and true]]', '{{ account }}', '{% if x %}', '{{#1-card}}'])
    assert.throws(() => expandMetabase(sql, values), /^Error: no /, sql);
  for (const sql of ['{{ nothing }}', '{{account}}', '{% if x %}', "{{ filter_values('a') }}"])
    assert.throws(() => expandSuperset(sql, values), /^Error: no /, sql);
});
