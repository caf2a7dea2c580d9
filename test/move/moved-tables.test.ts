// What moves with a history: everything in its schemas, except what is named as staying.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { movedTables, stayingTables } from '../../src/move/moved-tables.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

/** The target makes this table itself. */
const OF_THE_TARGET = 'risk_internal.migrations';

test('every table of the database either moves or is named as staying', async () => {
  const found = await db.rows<{ name: string }>(
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('risk', 'risk_internal') and c.relkind in ('r', 'p')`,
  );
  const known = [...movedTables().map(({ name }) => name), ...stayingTables(), OF_THE_TARGET];
  assert.deepEqual(known.toSorted(), found.map(({ name }) => name).toSorted());
});

test('every column of a table moves', async () => {
  for (const { name, columns } of movedTables()) {
    const found = await db.rows<{ name: string }>(
      `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
      [name],
    );
    assert.deepEqual(columns.toSorted(), found.map((column) => column.name).toSorted(), name);
  }
});

test('a table comes after those that it refers to', async () => {
  const order = movedTables().map(({ name }) => name);
  const keys = await db.rows<{ child: string; parent: string }>(
    `select conrelid::regclass::text as child, confrelid::regclass::text as parent from pg_constraint
      where contype = 'f' and conrelid <> confrelid and conrelid <> 'risk_internal.leases'::regclass`,
  );
  assert.ok(keys.length >= 4);
  for (const { child, parent } of keys)
    assert.ok(order.indexOf(parent) < order.indexOf(child), `${child}, ${parent}`);
});

test('what stays is about processes at the old place, or set at the new one', () => {
  assert.deepEqual(stayingTables(), [
    'risk_internal.leases',
    'risk_internal.request_budgets',
    'risk_internal.staged_changes',
    'risk_internal.staged_rejected',
    'risk_internal.staged_identities',
    'risk_internal.feed_clock',
  ]);
});
