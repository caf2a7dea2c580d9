// A run that cannot finish in its time budget says so before it requests its first page, judged by the last walk and
// the pace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';
import { serveRecords } from '../support/api/serve-records.ts';
import { runSyncOf } from '../support/stage.ts';

test('warns before the first page is requested when as many pages as last time take longer than the budget', async () => {
  const db = await migratedDatabase();
  const said: string[] = [];
  const logger = createLogger({
    level: 'warn',
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => void said.push(line) },
  });
  let perRequestMs = 0;
  const sync = async () => {
    said.length = 0;
    await runSyncOf('e'.repeat(32), {
      pool: db.pool,
      client: {
        summaryPage: async ({ openReader }) => {
          said.push('a page');
          return serveRecords([], { total_count: 0 }, openReader);
        },
        lookUpUser: async () => null,
        estimateMs: (requests) => requests * perRequestMs,
      },
      logger,
      settings: { timeBudgetMs: 60_000 },
    });
  };
  try {
    perRequestMs = 100_000;
    await sync();
    assert.equal(said[0], 'a page', 'nothing is known before the first walk');
    await sync();
    assert.match(said[0] ?? '', /cannot end within SYNC_TIME_BUDGET/);
    assert.match(said[0] ?? '', /"budget_s":60/);
    perRequestMs = 1;
    await sync();
    assert.equal(said[0], 'a page');
  } finally {
    await db.close();
  }
});
