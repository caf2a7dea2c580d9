// A separate database with the schema, and a pool on it. Both are removed after the test file or test.
import type { Pool } from '../../../src/db/pool.ts';
import { createPool } from '../../../src/db/pool.ts';
import { cloneTemplate, type TestDatabase } from './test-database.ts';

export type MigratedDatabase = {
  url: string;
  pool: Pool;
  /** Rows of one statement, as the driver reads them. */
  rows<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
};

export async function migratedDatabase(): Promise<MigratedDatabase> {
  return opened(await cloneTemplate());
}

/** `database` has the schema. */
export function opened(database: TestDatabase): MigratedDatabase {
  const pool = testPool(database.url);
  return {
    url: database.url,
    pool,
    async rows<Row extends object>(text: string, values: readonly unknown[] = []) {
      return (await pool.query<Row>(text, [...values])).rows;
    },
    async close() {
      await pool.end();
      await database.drop();
    },
  };
}

export function testPool(url: string, max = 6): Pool {
  return createPool({ url, max, logger: { warn() {} } });
}
