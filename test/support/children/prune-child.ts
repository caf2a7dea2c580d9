// `prune` in its own process, with small transactions. It prints "at <failpoint>" at each failpoint and waits for a line
// there. At the end it prints "ended". Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import type { Retention } from '../../../src/retention.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { pruneAccount } from '../../../src/upkeep/prune/prune-account.ts';

export type PruneChild = { databaseUrl: string; accountKey: number; retention: Retention; mostRows: number };

const argument = JSON.parse(process.argv[2] ?? '') as PruneChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line: string) => process.stdout.write(`${line}\n`);
const logger = createLogger({ level: 'info', secrets: [], pretty: false, destination: process.stderr });
const pool = createPool({ url: argument.databaseUrl, logger });
await pruneAccount(
  {
    pool,
    timing: LEASE_TIMING,
    mostRows: argument.mostRows,
    async failpoint(name) {
      say(`at ${name}`);
      await lines.next();
    },
  },
  {
    accountKey: argument.accountKey,
    retention: argument.retention,
    signal: new AbortController().signal,
    onBusy: () => true,
  },
);
say('ended');
await pool.end();
process.exit(0);
