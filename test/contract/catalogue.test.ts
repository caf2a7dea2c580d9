// src/contract/catalogue.json is what a migrated database says about itself.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { CATALOGUE, type Catalogue } from '../../src/contract/catalogue.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { readCatalogue } from '../support/database/read-catalogue.ts';

const FILE = path.resolve(import.meta.dirname, '../../src/contract/catalogue.json');

let db: MigratedDatabase;
let actual: Catalogue;
before(async () => {
  db = await migratedDatabase();
  actual = await readCatalogue(db);
});
after(() => db.close());

test('the stored catalogue equals that of a migrated database (UPDATE_GOLDEN=1 writes it)', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(FILE, `${JSON.stringify(actual, null, 2)}\n`);
  else assert.deepEqual(CATALOGUE, actual);
});
