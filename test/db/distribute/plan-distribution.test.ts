// What is left to distribute, according to the catalog.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isNothing,
  planDistribution,
  type ForeignKey,
  type TableFacts,
} from '../../../src/db/distribute/plan-distribution.ts';

const table = (name: string, kind: TableFacts['kind'] = null, hasAccountKey = true): TableFacts => ({
  name,
  hasAccountKey,
  kind,
});
const key = (from: string, to: string): ForeignKey => ({
  table: from,
  to,
  name: `${from} to ${to}`,
  definition: '',
});

test('accounts come first, because the other tables are placed beside them', () => {
  const { distributed } = planDistribution(
    [table('risk.a'), table('risk.users'), table('risk.accounts')],
    [],
  );
  assert.deepEqual(distributed, ['risk.accounts', 'risk.a', 'risk.users']);
});

test('the directory is copied to every node, and a table without an account stays', () => {
  const plan = planDistribution(
    [
      table('risk_internal.account_keys'),
      table('risk_internal.migrations', null, false),
      table('risk.accounts'),
    ],
    [],
  );
  assert.deepEqual(plan.reference, ['risk_internal.account_keys']);
  assert.deepEqual(plan.distributed, ['risk.accounts']);
});

test('tables that are already distributed are left out, and only the foreign keys of the others are made again', () => {
  const plan = planDistribution(
    [
      table('risk_internal.account_keys', 'reference'),
      table('risk.accounts', 'distributed'),
      table('risk.users', 'distributed'),
      table('risk.later'),
    ],
    [key('risk.users', 'risk.accounts'), key('risk.later', 'risk.accounts')],
  );
  assert.deepEqual(plan.distributed, ['risk.later']);
  assert.deepEqual(
    plan.foreignKeys.map(({ table: from }) => from),
    ['risk.later'],
  );
  assert.equal(isNothing(plan), false);
  assert.equal(isNothing(planDistribution([table('risk.users', 'distributed')], [])), true);
});
