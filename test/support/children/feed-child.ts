// One export with a state file in its own process, which a test can kill. It prints "began" before the export, and
// "named" when the files have their names and the state does not know them. If `waits`, it then waits for a line.
// Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { datasetOf, type DatasetName } from '../../../src/export/datasets.ts';
import { exportFeed } from '../../../src/export/export-feed.ts';
import type { ExportFormat } from '../../../src/export/select-rows.ts';

export type FeedChild = {
  databaseUrl: string;
  stateFile: string;
  folder: string;
  datasets: readonly DatasetName[];
  format: ExportFormat;
  partition: boolean;
  waits: boolean;
};

const { databaseUrl, datasets, waits, ...request } = JSON.parse(process.argv[2] ?? '') as FeedChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const pool = createPool({ url: databaseUrl, logger: { warn() {} } });
process.stdout.write('began\n');
await exportFeed(
  {
    pool,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    async beforeState() {
      process.stdout.write('named\n');
      if (waits) await lines.next();
    },
  },
  {
    ...request,
    datasets: datasets.map((name) => datasetOf(name, true)),
    accounts: null,
    gzip: false,
    forPeople: false,
  },
);
await pool.end();
process.exit();
