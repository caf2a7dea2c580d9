// The bundle as a whole: what it does before any command runs, and what it leaves out.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { transform } from 'esbuild';
import { CLI, runCli, type CliResult } from './support/cli.ts';
import { runCommand } from './support/run-command.ts';

const DIST = path.dirname(CLI);

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-bundle-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }');
  return folder;
}

function start(...args: string[]): Promise<CliResult> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: tmpdir() }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test('a Node that is too old gets an error message before the rest of the program is loaded', async (t) => {
  const folder = await scratch(t);
  // The file is alone in its folder: any other import would fail.
  await cp(CLI, path.join(folder, 'dist/cli.js'));
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '22.99.0' });`;
  const { code, stdout, stderr } = await start(
    `--import=data:text/javascript,${encodeURIComponent(pretend)}`,
    path.join(folder, 'dist/cli.js'),
    'sync',
  );
  assert.equal(code, 78);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^error NODE_TOO_OLD: This is Node 22\.99\.0, .*24 or newer\.\n  Nothing was started\.\n/,
  );
});

test('the first file imports only Node modules, and only those that an old Node has', async () => {
  const text = await readFile(CLI, 'utf8');
  assert.deepEqual(
    [...text.matchAll(/^import (.*) from "(.*)";$/gm)].map(([, names, from]) => [names, from]),
    [
      ['module', 'node:module'],
      ['{ fileURLToPath }', 'node:url'],
    ],
  );
});

test('the first file uses only syntax that Node 16 can parse', async () => {
  const text = await readFile(CLI, 'utf8');
  const [asWritten, lowered] = await Promise.all(
    ['esnext', 'node16'].map((target) => transform(text, { target, format: 'esm' })),
  );
  assert.equal(lowered?.code, asWritten?.code);
});

const older = olderNode();
test(
  'an older Node on this host prints one message: it is too old',
  {
    skip: older === undefined && 'there is no older Node on this host',
  },
  async () => {
    const result = await new Promise<CliResult>((resolve) => {
      execFile(older ?? '', [CLI, 'status'], { cwd: tmpdir(), env: {} }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
    assert.deepEqual([result.code, result.stdout], [78, '']);
    assert.match(result.stderr, /^error NODE_TOO_OLD: [^\n]+\n  [^\n]+\n  [^\n]+\n$/);
  },
);

/** CI starts on the oldest Node that npm ci supports. A developer's own Node may also be older than ours. */
function olderNode(): string | undefined {
  const candidates = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'node'));
  return candidates.find((candidate) => {
    try {
      return Number(execFileSync(candidate, ['--version'], { encoding: 'utf8' }).slice(1, 3)) < 24;
    } catch {
      return false;
    }
  });
}

test('the program works where compiled code cannot be cached', async (t) => {
  const folder = await scratch(t);
  await cp(DIST, path.join(folder, 'dist'), { recursive: true });
  await rm(path.join(folder, 'dist/compile-cache'), { recursive: true, force: true });
  await writeFile(path.join(folder, 'dist/compile-cache'), 'in the way');
  const { code, stdout, stderr } = await start(path.join(folder, 'dist/cli.js'), '--version');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test('the bundle has a part for each command, and loading a part does nothing', async () => {
  const { stdout } = await runCli(['--help']);
  const names = [...stdout.matchAll(/^  ([a-z]+) .*/gm)].map((match) => match[1] ?? '');
  assert.ok(names.length >= 14, stdout);
  const files = await readdir(DIST);
  const parts = names.map((name) => files.find((file) => file.startsWith(`${name}-`)) ?? assert.fail(name));
  const load = parts.map((file) => `await import(${JSON.stringify(path.join(DIST, file))});`).join('\n');
  assert.deepEqual(await start('--input-type=module', '--eval', load), { code: 0, stdout: '', stderr: '' });
});

test('the help of every command can be printed on its own', async () => {
  const { stdout } = await runCommand(['--help']);
  const names = [...stdout.matchAll(/^  ([a-z]+) .*/gm)].map((match) => match[1] ?? '');
  assert.ok(names.length >= 14, stdout);
  for (const name of names) {
    const { code, stdout: help, stderr } = await runCommand([name, '--help']);
    assert.equal(code, 0, stderr);
    assert.match(help, new RegExp(`^Usage: zt-risk-sync ${name} `));
  }
});

test('the bundle leaves out code that no command needs and that would slow down every start', async () => {
  const files = (await readdir(DIST)).filter((name) => name.endsWith('.js'));
  for (const name of files) {
    const text = await readFile(path.join(DIST, name), 'utf8');
    // `import { z }` instead of `import * as z` would pull in all of zod.
    for (const part of ['zod/v4/locales/fr.js', 'undici/lib/mock/', 'undici/lib/web/websocket/'])
      assert.ok(!text.includes(part), `${part} in ${name}`);
  }
});

// The bundle is made from this source, so that whoever works on the program can run it without a build.
const SOURCE = [
  `--import=${path.resolve(import.meta.dirname, 'support/bundled-drizzle.ts')}`,
  path.resolve(import.meta.dirname, '../src/cli.ts'),
];

/** Runs to its end, or until it has printed `until`; then it gets the signal. The streams may be files of the system. */
async function ended(
  program: readonly string[],
  args: readonly string[],
  { until, stdout = 'pipe' }: { until?: string; stdout?: 'pipe' | number } = {},
): Promise<CliResult & { signal: string | null }> {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: 'postgres://x:y@127.0.0.1:1/none' },
    stdio: ['ignore', stdout, 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
    if (until !== undefined && said.stdout.includes(until) && !child.killed) child.kill('SIGTERM');
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const [code, signal] = (await once(child, 'close')) as [number, string | null];
  return { code, signal, ...said };
}

for (const { what, args, code, until } of [
  { what: 'no command', args: [], code: 64 },
  { what: 'an unknown command', args: ['sycn'], code: 64 },
  { what: 'help', args: ['users', '--help'], code: 0 },
  { what: 'a result', args: ['completion', 'bash'], code: 0 },
  { what: 'a database that cannot be reached', args: ['status'], code: 75 },
  { what: 'a signal', args: ['simulate', '--port', '0', '--users', '5'], code: 0, until: 'Ctrl-C' },
])
  test(`the source answers as the bundle does: ${what}`, async () => {
    const how = until === undefined ? {} : { until };
    const [source, bundle] = await Promise.all([ended(SOURCE, args, how), ended([CLI], args, how)]);
    const withoutPort = (text: string) => text.replaceAll(/127\.0\.0\.1:\d{2,}/g, '127.0.0.1:port');
    assert.equal(withoutPort(source.stdout), withoutPort(bundle.stdout));
    assert.equal(withoutPort(source.stderr), withoutPort(bundle.stderr));
    assert.deepEqual([source.code, bundle.code, bundle.signal], [code, code, null], source.stderr);
  });

test('a result that cannot be written is an error, from the source as from the bundle', async (t) => {
  if (!existsSync('/dev/full')) return t.skip('this system has no /dev/full');
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  for (const program of [SOURCE, [CLI]]) {
    const { code, stderr } = await ended(program, ['completion', 'bash'], { stdout: full });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^error OUTPUT_FAILED: The output could not be written \(ENOSPC\)\./);
  }
});
