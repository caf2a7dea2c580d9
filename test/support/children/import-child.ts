// An import of files in its own process, which a test can kill. It prints "ready", waits for a line, and imports. It
// prints "at <failpoint> <n>" at each failpoint of its n-th snapshot, and waits for a line at `stopAt`. At the end it
// prints "ended". Run by test/support/child.ts.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { importSnapshot } from '../../../src/upkeep/import/import-snapshot.ts';
import { planImport } from '../../../src/upkeep/import/plan-import.ts';
import { inspectFile } from '../../../src/saved/inspect-file.ts';
import { TEST_SETTINGS } from '../settings.ts';

export type ImportChild = {
  databaseUrl: string;
  accountId: string;
  files: { path: string; at: string }[];
  /** "<failpoint> <n>"; null: nowhere. */
  stopAt: string | null;
};

const { databaseUrl, accountId, files, stopAt } = JSON.parse(process.argv[2] ?? '') as ImportChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line: string) => process.stdout.write(`${line}\n`);
const logger = createLogger({ level: 'warn', secrets: [], pretty: false, destination: process.stderr });
const pool = createPool({ url: databaseUrl, logger });
const { signal } = new AbortController();

say('ready');
await lines.next();
const found = [];
for (const { path, at } of files)
  found.push({
    at: new Date(at),
    facts: await inspectFile({ name: path, open: () => createReadStream(path) }, signal),
  });
const { todo } = await planImport(pool, accountId, found);
for (const [index, planned] of todo.entries()) {
  const failpoint = async (name: string) => {
    const here = `${name} ${index + 1}`;
    say(`at ${here}`);
    if (here === stopAt) await lines.next();
  };
  const { result } = await importSnapshot(
    { pool, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING, failpoint },
    { accountId, planned, acceptMassClear: false, signal },
  );
  if (result.error !== null) throw result.error;
}
say('ended');
await pool.end();
process.exit(0);
