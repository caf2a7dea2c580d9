// One run in its own process. It prints "ready", waits for a line, and runs. It prints "at <failpoint>" at each
// failpoint, and waits for a line at those in `stopAt`. At the end it prints "ended {kind, error_code, snapshot_id}".
// Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import { createPool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import { TEST_SETTINGS } from '../settings.ts';

export type SyncChild = {
  databaseUrl: string;
  apiUrl: string;
  token: string;
  accountId: string;
  stopAt: string[];
  timing?: LeaseTiming;
  timeBudgetMs?: number;
};

const argument = JSON.parse(process.argv[2] ?? '') as SyncChild;
const stopAt = new Set(argument.stopAt);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line: string) => process.stdout.write(`${line}\n`);
const logger = createLogger({
  level: 'info',
  secrets: [argument.token],
  pretty: false,
  destination: process.stderr,
});
const pool = createPool({ url: argument.databaseUrl, logger });
const client = createCloudflareClient({
  baseUrl: new URL(argument.apiUrl),
  auth: { kind: 'token', token: argument.token },
  logger,
  limit: null,
});

say('ready');
await lines.next();
const outcome = await requestSync(
  {
    pool,
    client,
    logger,
    settings: {
      ...TEST_SETTINGS,
      ...(argument.timeBudgetMs === undefined ? {} : { timeBudgetMs: argument.timeBudgetMs }),
    },
    timing: argument.timing ?? LEASE_TIMING,
    async failpoint(name) {
      say(`at ${name}`);
      // Once: what a connection that was lost has undone comes to the same place again.
      if (stopAt.delete(name)) await lines.next();
    },
  },
  { accountId: argument.accountId, trigger: 'cli', signal: new AbortController().signal },
);
const result = outcome.kind === 'ran' ? outcome.result : null;
say(
  `ended ${JSON.stringify({
    kind: outcome.kind,
    error_code: result?.error?.code ?? null,
    snapshot_id: result?.published?.snapshotId ?? null,
  })}`,
);
await client.close();
await pool.end();
process.exit(0);
