// The token is replaced during a run: in the API, and in its file or not.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { readConfig } from '../../../src/config.ts';
import { openClient, openLogger } from '../../../src/context.ts';
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import type { RunResult } from '../../../src/sync/run-sync.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { runSyncOf } from '../../support/stage.ts';

const START = new Date('2026-03-02T00:00:00Z');
const OLD = 'T0ken-before-the-rotation';
const NEW = 'T0ken-after-the-rotation';
const credentials = (token: string) => ({ token, email: 'nobody@example.com', key: 'unused-key' });

let db: MigratedDatabase;
let simulator: Simulator;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-rotation-'));
  db = await migratedDatabase();
  simulator = await startSimulator({
    worlds: createWorld({ seed: 5, users: 400, start: START, days: 100, campaign: null }),
    now: () => new Date(START.getTime() + 90 * 86_400_000),
    auth: credentials(OLD),
    perPageMax: 20,
  });
});
after(async () => {
  await simulator.close();
  await db.close();
  await rm(folder, { recursive: true });
});

type Rotated = { accountId: string; result: RunResult; logs: string };

/** One run. In its middle the API accepts only the token NEW; `then` is what happens to the file. */
async function runRotated(t: TestContext, then: (file: string) => Promise<void>): Promise<Rotated> {
  const accountId = randomBytes(16).toString('hex');
  const file = path.join(folder, accountId);
  await writeFile(file, `${OLD}\n`);
  simulator.setAuth(credentials(OLD));
  const config = readConfig({
    env: {
      CLOUDFLARE_API_TOKEN_FILE: file,
      CLOUDFLARE_BASE_URL: simulator.url,
      CLOUDFLARE_ALLOW_INSECURE: '1',
      LOG_LEVEL: 'debug',
    },
    envFile: null,
  });
  let logs = '';
  const stderr = { write: (line: string) => (logs += line) };
  const logger = openLogger({ stderr } as never, config);
  const client = openClient(config, logger);
  t.after(() => client.close());
  let pages = 0;
  const outcome = await runSyncOf(accountId, {
    pool: db.pool,
    logger,
    client: {
      lookUpUser: (request) => client.lookUpUser(request),
      async summaryPage(request) {
        if (++pages === 10) {
          // In this order, so that a page under way does not find the old file refused.
          await then(file);
          simulator.setAuth(credentials(NEW));
        }
        return client.summaryPage(request);
      },
    },
  });
  assert.ok(pages >= 10, 'the token was replaced');
  // Also after the rotation, no log line may hold the old or the new token.
  logger.info({ quoted: `${OLD} ${NEW}` }, 'line of the test');
  return { accountId, result: outcome, logs };
}

async function snapshotsOf(accountId: string): Promise<number> {
  const rows = await db.rows<{ n: number }>(
    'select count(*)::int as n from risk.snapshots join risk.accounts using (account_key) where account_id = $1',
    [accountId],
  );
  return rows[0]?.n ?? 0;
}

function assertDiscreet({ logs, result }: Rotated, secrets: string[]): void {
  const texts = [logs, JSON.stringify(result), result.error?.message ?? '', String(result.error?.cause)];
  for (const secret of secrets) for (const text of texts) assert.ok(!text.includes(secret), secret);
}

test('a run with a token that is replaced during the walk goes on with the new token and publishes', async (t) => {
  const run = await runRotated(t, (file) => writeFile(file, `${NEW}\n`));
  assert.equal(run.result.error, null);
  assert.equal(run.result.published?.verdict, 'complete');
  assert.ok(run.result.facts.pages > 15, 'in the middle of the walk');
  assert.equal(await snapshotsOf(run.accountId), 1);
  assert.ok(run.result.facts.retries >= 1);
  assert.match(run.logs, /the new ones from their file/);
  assert.match(run.logs, /"quoted":"\[secret\] \[secret\]"/);
  assertDiscreet(run, [OLD, NEW]);
});

test('a run with a token that is revoked and not replaced fails with exit 77 and publishes nothing', async (t) => {
  const run = await runRotated(t, async () => {});
  assert.equal(run.result.error?.exit, 77);
  assert.equal(run.result.published, null);
  assert.equal(await snapshotsOf(run.accountId), 0);
  assertDiscreet(run, [OLD]);
});

test('a run with a new token that is also refused fails with exit 77, and neither token is printed', async (t) => {
  const run = await runRotated(t, (file) => writeFile(file, 'T0ken-that-nobody-knows'));
  assert.equal(run.result.error?.exit, 77);
  assert.equal(await snapshotsOf(run.accountId), 0);
  assertDiscreet(run, [OLD, 'T0ken-that-nobody-knows']);
});

test('a token file that is empty or missing when it is read again fails the run with exit 77', async (t) => {
  for (const then of [(file: string) => writeFile(file, ''), (file: string) => rm(file)]) {
    const run = await runRotated(t, then);
    assert.equal(run.result.error?.exit, 77);
    assert.equal(await snapshotsOf(run.accountId), 0);
  }
});
