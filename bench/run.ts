// `npm run bench [-- <suite> ...]`: runs the named suites of bench/suites, or all of them. Each prints a table, and
// writes bench/results/<suite>.json.
import { withBench, type Bench } from './harness/bench.ts';
import { accountsSuite } from './suites/accounts.ts';
import { apiSuite } from './suites/api.ts';
import { clockSuite } from './suites/clock.ts';
import { distanceSuite } from './suites/distance.ts';
import { exportSuite } from './suites/export.ts';
import { historySuite } from './suites/history.ts';
import { memorySuite } from './suites/memory.ts';
import { readingsSuite } from './suites/readings.ts';
import { retentionSuite } from './suites/retention.ts';
import { syncSuite } from './suites/sync.ts';
import { walkSuite } from './suites/walk.ts';

const SUITES: Record<string, (bench: Bench) => Promise<void>> = {
  sync: syncSuite,
  memory: memorySuite,
  walk: walkSuite,
  distance: distanceSuite,
  clock: clockSuite,
  history: historySuite,
  export: exportSuite,
  api: apiSuite,
  accounts: accountsSuite,
  readings: readingsSuite,
  retention: retentionSuite,
};

const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => SUITES[name] === undefined);
if (unknown !== undefined)
  throw new Error(`unknown suite ${unknown}; known are: ${Object.keys(SUITES).join(', ')}`);
for (const name of chosen.length === 0 ? Object.keys(SUITES) : chosen) await withBench(SUITES[name]!);
