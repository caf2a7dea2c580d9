// `npm run test:coverage`: all tests, or those that are named, and then which share of the lines and branches of each
// folder of src/ they ran. Counts by node's own coverage. Code that runs only in child processes from the bundle counts
// as not run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

type Counts = { lines: number; linesRun: number; branches: number; branchesRun: number };

const KEYS = new Map<string, keyof Counts>([
  ['LF', 'lines'],
  ['LH', 'linesRun'],
  ['BRF', 'branches'],
  ['BRH', 'branchesRun'],
]);

const WIDTH = 16;

const given = process.argv.slice(2);
const folder = mkdtempSync(path.join(tmpdir(), 'zt-risk-sync-coverage-'));
const report = path.join(folder, 'lcov.info');
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--import=./test/support/bundled-drizzle.ts',
    '--import=./test/support/fast-check-seed.ts',
    '--test-global-setup=test/support/global-setup.ts',
    '--test-timeout=900000',
    '--test-concurrency=3',
    '--experimental-test-coverage',
    '--test-coverage-include=src/**',
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    '--test-reporter=lcov',
    `--test-reporter-destination=${report}`,
    ...(given.length > 0 ? given : ['test/**/*.test.ts']),
  ],
  // More random histories than by default: rare branches need them.
  { stdio: 'inherit', env: { EXACTNESS_RUNS: '12', ...process.env } },
);
print(byFolder(readFileSync(report, 'utf8')));
rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;

function byFolder(lcov: string): Map<string, Counts> {
  const folders = new Map<string, Counts>();
  let counts: Counts | undefined;
  for (const line of lcov.split('\n')) {
    const [, name = '', value = ''] = /^(\w+):(.*)$/.exec(line) ?? [];
    if (name === 'SF') {
      const parts = path.relative('src', value).split(path.sep);
      const folder = parts.length > 1 ? `src/${parts[0]}` : 'src';
      counts = folders.get(folder) ?? { lines: 0, linesRun: 0, branches: 0, branchesRun: 0 };
      folders.set(folder, counts);
    }
    const key = KEYS.get(name);
    if (key !== undefined && counts !== undefined) counts[key] += Number(value);
  }
  return folders;
}

function print(folders: ReadonlyMap<string, Counts>): void {
  const cells = (run: number, all: number) =>
    [`${(all === 0 ? 100 : (100 * run) / all).toFixed(1)} %`, String(all - run)]
      .map((cell) => cell.padStart(WIDTH))
      .join('');
  const row = (name: string, { lines, linesRun, branches, branchesRun }: Counts) =>
    `${name.padEnd(WIDTH)}${cells(linesRun, lines)}${cells(branchesRun, branches)}\n`;
  const sum: Counts = { lines: 0, linesRun: 0, branches: 0, branchesRun: 0 };
  for (const counts of folders.values()) for (const key of KEYS.values()) sum[key] += counts[key];
  const head = ['lines', 'not run', 'branches', 'not run'].map((name) => name.padStart(WIDTH)).join('');
  process.stdout.write(`\n${'folder'.padEnd(WIDTH)}${head}\n`);
  for (const [name, counts] of [...folders].toSorted()) process.stdout.write(row(name, counts));
  process.stdout.write(row('all', sum));
}
