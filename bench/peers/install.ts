// Installs the peers into bench/.peers, once: a virtual environment with pinned Python packages, the SDK, and the Node
// programs. These are bundled, because the product is bundled as well.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const HERE = 'bench/.peers';
const SDK = 'cloudflare@7.3.0';
const REQUIREMENTS = 'bench/peers/requirements.txt';

export type Installed = { python: string; bin: string; script(name: string): string };

export async function installPeers(): Promise<Installed> {
  const venv = path.resolve(HERE, 'venv');
  const bin = path.join(venv, 'bin');
  once('python', readFileSync(REQUIREMENTS, 'utf8'), () => {
    run('python3', ['-m', 'venv', '--clear', venv]);
    run(path.join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  });
  once('sdk', SDK, () => {
    const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
    run('npm', ['install', '--prefix', path.join(HERE, 'sdk'), ...flags, SDK]);
  });
  await build({
    entryPoints: ['bench/peers/fetch-upserts.ts', 'bench/peers/sdk-rows.mjs'],
    outdir: path.join(HERE, 'dist'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['pg-native'],
    nodePaths: [path.join(HERE, 'sdk/node_modules')],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return {
    python: path.join(bin, 'python'),
    bin,
    script: (name) => path.resolve(HERE, 'dist', `${name}.mjs`),
  };
}

/** Installs again only if `wanted` has changed. */
function once(name: string, wanted: string, install: () => void): void {
  const stamp = path.join(HERE, `${name}.installed`);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write(`installing the peers: ${name}\n`);
  install();
  writeFileSync(stamp, wanted);
}

function run(file: string, args: string[]): void {
  const { status, error } = spawnSync(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw error ?? new Error(`${file} ${args.join(' ')} ended with ${status}`);
}
