// `npm run test:sabotage` breaks one rule at a time in a copy of the source, and demands that the tests notice. A
// sabotage that stays green is a promise without proof. docs/reliability.md lists the sabotages.
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '../support/database/servers/postgres-server.ts';
import { SABOTAGES, type Sabotage } from './sabotages.ts';

const root = path.resolve(import.meta.dirname, '../..');
const chosen = process.argv.slice(2);
const sabotages = SABOTAGES.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
const folder = await temporaryFolder();
const HOUR_MS = 3_600_000;
/** How long each test takes on this machine, as busy as it is now. */
const greenMs = new Map<string, number>();
let survived = 0;
try {
  for (const entry of ['src', 'test', 'scripts', 'migrations', 'package.json', 'tsconfig.json']) {
    cpSync(path.join(root, entry), path.join(folder, entry), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));

  const tests = [...new Set(sabotages.map(({ test }) => test))];
  for (const test of tests) {
    const began = performance.now();
    if (!run(test, HOUR_MS)) throw new Error(`${test} fails without any sabotage`);
    greenMs.set(test, performance.now() - began);
    say('green', test, `without sabotage, after ${seconds(began)}`);
  }
  for (const sabotage of sabotages) {
    const began = performance.now();
    const noticed = !withSabotage(sabotage);
    if (!noticed) survived++;
    say(noticed ? 'noticed' : 'SURVIVED', sabotage.name, `after ${seconds(began)}: ${sabotage.breaks}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(
  `${sabotages.length - survived} of ${sabotages.length} sabotages noticed, in ${seconds(0)} altogether\n`,
);
process.exitCode = survived === 0 ? 0 : 1;

/** Whether the test passes with the sabotage in place. */
function withSabotage(sabotage: Sabotage): boolean {
  const file = path.join(folder, sabotage.file);
  const original = readFileSync(file, 'utf8');
  if (original.split(sabotage.find).length !== 2)
    throw new Error(`${sabotage.name}: the place is not there exactly once in ${sabotage.file}`);
  writeFileSync(
    file,
    original.replace(sabotage.find, () => sabotage.put),
  );
  try {
    writeViews(sabotage);
    // A sabotage may make a test wait without end.
    return run(sabotage.test, 60_000 + 5 * (greenMs.get(sabotage.test) ?? 0));
  } finally {
    writeFileSync(file, original);
    writeViews(sabotage);
  }
}

/** The database gets views only from the migrations. */
function writeViews({ name, file }: Sabotage): void {
  if (!file.startsWith('src/db/views/')) return;
  const { status } = spawnSync(process.execPath, ['scripts/write-views.ts'], {
    cwd: folder,
    stdio: 'ignore',
  });
  if (status !== 0) throw new Error(`${name}: ${file} did not reach the migrations`);
}

function run(test: string, patienceMs: number): boolean {
  const preloads = ['bundled-drizzle', 'fast-check-seed'].map((name) => `--import=./test/support/${name}.ts`);
  const setup = '--test-global-setup=test/support/global-setup.ts';
  const args = ['--test', ...preloads, setup, `--test-timeout=${Math.round(patienceMs)}`, test];
  return (
    spawnSync(process.execPath, args, {
      cwd: folder,
      stdio: 'ignore',
      // The tests' own timeout does not end their servers.
      timeout: Math.round(patienceMs) + 60_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, FC_SHRINK: '0', MODEL_SEQUENCES: '240' },
    }).status === 0
  );
}

/** From `began` to now; 0 is the start of this process. */
function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

function say(...words: string[]): void {
  process.stdout.write(`${words[0]?.padEnd(9)} ${words[1]?.padEnd(26)} ${words.slice(2).join(' ')}\n`);
}
