// `npm test`: runs all tests on PostgreSQL 18, and those that may differ on 15 as well. If a server or a version is
// chosen, all tests run only there. Two queues of test runs work side by side, each run on its own server, two files at a
// time. A test file waits about as long as it computes, so four files keep two cores busy.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const isChosen = Boolean(process.env['TEST_POSTGRES'] || process.env['TEST_DATABASE_URL']);
const AT_ONCE = '--test-concurrency=2';
const ROWS = [
  [['test:files', '--', AT_ONCE, 'test/scenarios/**/*.test.ts']],
  [['test:files', '--', AT_ONCE, 'test/*.test.ts', 'test/!(scenarios|sync|upkeep)/**/*.test.ts']],
];
/** The queue that ends first also takes the next of these. */
const LAST = [
  ['test:files', '--', AT_ONCE, 'test/{sync,upkeep}/**/*.test.ts'],
  ...(isChosen ? [] : [['test:15']]),
];

/** Prints the output while the runs go on, or (not `isHeard`) the output of each run after it has ended. */
async function runAll(row: string[][], isHeard: boolean): Promise<number> {
  let worst = 0;
  for (let args = row.shift(); args !== undefined; args = row.shift() ?? LAST.shift()) {
    const child = spawn('npm', ['run', '-s', ...args], {
      stdio: ['ignore', isHeard ? 'inherit' : 'pipe', 'inherit'],
    });
    const said: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => said.push(piece));
    const [code] = (await once(child, 'close')) as [code: number | null];
    process.stdout.write(Buffer.concat(said));
    worst = Math.max(worst, code ?? 1);
  }
  return worst;
}

const codes = await Promise.all(ROWS.map((row, nth) => runAll(row, nth === 0)));
process.exitCode = Math.max(...codes);
