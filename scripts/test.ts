// `npm test`: everything on PostgreSQL 18, and what may differ on 15 too; or everything on the one that is chosen, and no other.
// Two rows of test runs side by side, each run on a server of its own and two files at a time: a test file waits about as long as
// it computes, so four of them keep two cores busy.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const isChosen = Boolean(process.env['TEST_POSTGRES'] || process.env['TEST_DATABASE_URL']);
const AT_ONCE = '--test-concurrency=2';
const ROWS = [
  [['test:files', '--', AT_ONCE, 'test/scenarios/**/*.test.ts'], ...(isChosen ? [] : [['test:15']])],
  [['test:files', '--', AT_ONCE, 'test/*.test.ts', 'test/!(scenarios)/**/*.test.ts']],
];

/** One row is heard while it runs; what the other has said comes when a run of it has ended. */
async function runAll(row: readonly string[][], isHeard: boolean): Promise<number> {
  let worst = 0;
  for (const args of row) {
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
