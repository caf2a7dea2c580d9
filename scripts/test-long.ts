// The tests that run a small sample by default, with the numbers that prove something. They take hours, and a quiet
// machine.
import { spawnSync } from 'node:child_process';

const NUMBERS = {
  MODEL_SEQUENCES: 10_000,
  BUDGET_RUNS: 200,
  EXACTNESS_RUNS: 60,
  REPORTING_WORLDS: 30,
  TEST_CUTS: 100,
  TEST_KILLS: 200,
  TEST_QUEUE: 50,
  SOAK_RUNS: 2_000,
  MANY_ACCOUNTS: 3_000,
  MANY_SLOTS: 5,
  LARGE_ACCOUNT: 1_000_000,
  QUIET_USERS: 100_000,
  IMPORT_RUNS: 60,
  IMPORT_KILLS: 30,
  EPOCH_RUNS: 1_000,
  MOVE_WHOLE: 1,
  FEED_LOADS: 20,
  FEED_KILLS: 50,
  FEED_RUNS: 25,
  SCHEMATHESIS_EXAMPLES: 500,
  PRUNE_RUNS: 60,
  ERASURE_SEQUENCES: 500,
  PII_MODES_RUNS: 200,
  // Only if TEST_CITUS_URL names a cluster.
  CITUS_ROWS: 1_000_000,
};

const FILES = [
  'test/scenarios/promises/model.test.ts',
  'test/scenarios/promises/exactness.test.ts',
  'test/queries/reporting.test.ts',
  'test/scenarios/crash/publish-faults.test.ts',
  'test/scenarios/feeds/clock-queue.test.ts',
  'test/scenarios/crash/crash.test.ts',
  'test/scenarios/promises/soak.test.ts',
  'test/scenarios/accounts/many-accounts.test.ts',
  'test/scenarios/accounts/large-account.test.ts',
  'test/scenarios/promises/quiet.test.ts',
  'test/scenarios/moves/import.test.ts',
  'test/scenarios/feeds/epochs.test.ts',
  'test/scenarios/moves/moved-history.test.ts',
  'test/scenarios/feeds/feeds-under-load.test.ts',
  'test/db/distribute/distribute.test.ts',
  'test/export/feed.test.ts',
  'test/export/feed-kills.test.ts',
  'test/http/api/schemathesis.test.ts',
  'test/upkeep/prune.test.ts',
  'test/scenarios/people/erasure.test.ts',
  'test/scenarios/people/pii-modes.test.ts',
];

const numbers = Object.fromEntries(Object.entries(NUMBERS).map(([name, value]) => [name, String(value)]));
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-global-setup=test/support/global-setup.ts',
    '--test-timeout=7200000',
    // If the command line names files, only these run.
    ...(process.argv.length > 2 ? process.argv.slice(2) : FILES),
  ],
  // A number that is already set is kept.
  { stdio: 'inherit', env: { ...numbers, ...process.env } },
);
process.exitCode = status ?? 1;
