// Loaded before every test file. Drizzle is 300 modules below a package.json of 180 kB, and Node reads that again for
// each of them: 0.7 s and 200 MB per test file. Here its entry points are a few files, as in the shipped bundle.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type esbuild from 'esbuild';

const ENTRIES = ['drizzle-orm', 'drizzle-orm/migrator', 'drizzle-orm/node-postgres', 'drizzle-orm/pg-core'];

const root = path.resolve(import.meta.dirname, '../..');
const nodeModules = path.join(root, 'node_modules');
const manifest = readFileSync(path.join(nodeModules, 'drizzle-orm/package.json'), 'utf8');
const [, version = ''] = /"version": "([^"]+)"/.exec(manifest) ?? [];
const folder = path.join(nodeModules, `.cache/drizzle-orm-${version}`);
if (!existsSync(folder)) bundle();

const bundled = new Map(
  ENTRIES.map((entry) => [entry, pathToFileURL(path.join(folder, `${path.basename(entry)}.js`)).href]),
);
registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('drizzle-orm')) return next(specifier, context);
    const url = bundled.get(specifier);
    // A second copy of some classes beside the bundled ones.
    if (url === undefined) throw new Error(`${specifier} is not among the entries of bundled-drizzle.ts`);
    return { url, format: 'module', shortCircuit: true };
  },
});

/** Moved into place by one rename, because test files start in parallel. */
function bundle(): void {
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof esbuild;
  const staging = `${folder}.new-${process.pid}`;
  mkdirSync(staging, { recursive: true });
  buildSync({
    entryPoints: Object.fromEntries(ENTRIES.map((entry) => [path.basename(entry), entry])),
    absWorkingDir: root,
    outdir: staging,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    external: ['pg', 'pg-native'],
    logLevel: 'warning',
  });
  try {
    renameSync(staging, folder);
  } catch {
    rmSync(staging, { recursive: true, force: true });
  }
}
