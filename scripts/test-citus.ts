// `npm run test:citus`: the tests that must also pass on a distributed history. TEST_CITUS_URL names a database of the
// coordinator, as superuser. Each test makes databases of its own on all nodes. TEST_CITUS_NODE_COMMAND lets one test
// stop a node: see test/scenarios/database/node-away.test.ts.
import { spawnSync } from 'node:child_process';

const FILES = [
  'test/db/distribute/distribute.test.ts',
  'test/db/distribute/plan-distribution.test.ts',
  'test/db/contract.test.ts',
  'test/db/roles.test.ts',
  'test/queries/reporting.test.ts',
  'test/commands/names-then.test.ts',
  'test/sync/claim/lease.test.ts',
  'test/sync/claim/hold-account.test.ts',
  'test/scenarios/promises/exactness.test.ts',
  'test/scenarios/crash/crash.test.ts',
  'test/scenarios/crash/crash-database.test.ts',
  'test/scenarios/crash/state-crash.test.ts',
  'test/scenarios/crash/publish-faults.test.ts',
  'test/scenarios/feeds/feed-order.test.ts',
  'test/export/feed.test.ts',
  'test/export/feed-distributed.test.ts',
  'test/upkeep/prune.test.ts',
  'test/upkeep/erase/erase-person.test.ts',
  'test/upkeep/privacy/apply-mode.test.ts',
  'test/scenarios/people/erasure.test.ts',
  'test/scenarios/people/pii-modes.test.ts',
];
// This test stops a node, so no other test may run beside it.
const ALONE = ['test/scenarios/database/node-away.test.ts'];

// Each statement takes several times as long there.
const FEW = { EXACTNESS_RUNS: '2', REPORTING_WORLDS: '1', PRUNE_RUNS: '2', ERASURE_SEQUENCES: '2' };

if (!process.env['TEST_CITUS_URL']) throw new Error('TEST_CITUS_URL names no cluster');
const given = process.argv.slice(2);
const rounds = given.length > 0 ? [given] : [FILES, ALONE];
const codes = rounds.map(
  (files) =>
    spawnSync('npm', ['run', '-s', 'test:files', '--', '--test-concurrency=1', ...files], {
      stdio: 'inherit',
      env: { ...FEW, ...process.env },
    }).status ?? 1,
);
process.exitCode = Math.max(...codes);
