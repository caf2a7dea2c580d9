// A defect inside a run fails the run. Its message promises a stack trace with LOG_LEVEL=debug, so the log must have
// it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLogger } from '../../src/logger.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { TEST_SETTINGS } from '../support/settings.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const ADDRESS = 'ada@example.com';

async function linesOfFailure(level: string, thrown: unknown): Promise<string[]> {
  const lines: string[] = [];
  const logger = createLogger({
    level,
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => void lines.push(line) },
  });
  const client = {
    summaryPage: async function brokenClient() {
      throw thrown;
    },
    lookUpUser: async () => null,
  };
  const outcome = await requestSync(
    { pool: db.pool, client, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING },
    { accountId: 'd'.repeat(32), trigger: 'cli', signal: new AbortController().signal },
  );
  assert.ok(outcome.kind === 'ran');
  assert.equal(outcome.result.error?.code, 'UNEXPECTED');
  assert.ok(!outcome.result.error.message.includes(ADDRESS));
  return lines.filter((line) => line.includes('run failed'));
}

test('a defect in a run is logged at level debug with its stack trace, and without its message', async () => {
  const [line = ''] = await linesOfFailure(
    'debug',
    new TypeError('wrong', { cause: new Error(`${ADDRESS} is no number`) }),
  );
  const { error_code, stack } = JSON.parse(line) as { error_code: string; stack: string };
  assert.equal(error_code, 'UNEXPECTED');
  assert.match(stack, /^TypeError\n +at .*defect\.test\.ts[^]*\ncaused by Error\n +at .*defect\.test\.ts/);
  assert.ok(!line.includes(ADDRESS), line);
});

test('a defect in a run is logged without a stack trace at other levels', async () => {
  const [line = ''] = await linesOfFailure('info', new TypeError(ADDRESS));
  assert.doesNotMatch(line, /stack|defect\.test/);
  assert.ok(!line.includes(ADDRESS), line);
});

test('a defect that throws a text is named by its type, and the text is nowhere', async () => {
  for (const level of ['debug', 'info']) {
    const [line = ''] = await linesOfFailure(level, `no user ${ADDRESS}`);
    assert.match(line, /run failed/);
    assert.ok(!line.includes(ADDRESS), line);
  }
});
