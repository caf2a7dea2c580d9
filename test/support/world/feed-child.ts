// One export with a state file in its own process, which a test can kill. It prints "named" when the files have their
// names and the state does not know them, and waits for a line. Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { datasetOf, type DatasetName } from '../../../src/export/datasets.ts';
import { exportFeed } from '../../../src/export/export-feed.ts';

export type FeedChild = { databaseUrl: string; stateFile: string; folder: string; datasets: DatasetName[] };

const { databaseUrl, datasets, ...where } = JSON.parse(process.argv[2] ?? '') as FeedChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const pool = createPool({ url: databaseUrl, logger: { warn() {} } });
await exportFeed(
  {
    pool,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    async beforeState() {
      process.stdout.write('named\n');
      await lines.next();
    },
  },
  {
    ...where,
    datasets: datasets.map((name) => datasetOf(name, true)),
    accounts: null,
    accountKeys: null,
    partition: false,
    format: 'csv',
    gzip: false,
    forPeople: false,
  },
);
await pool.end();
process.exit();
