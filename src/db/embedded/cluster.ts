// Creates the data directory and its password. One rename makes both appear together. If a process is killed before
// that, it leaves a folder, which the next start removes.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { OperatorError } from '../../errors.ts';
import type { EmbeddedLayout, ServerAccount } from './layout.ts';
import { lastLines } from './log.ts';

const run = promisify(execFile);

/**
 * The whole environment of the server and its tools. It takes nothing from the caller, because the caller's environment
 * holds the API token.
 */
export const serverEnvironment: Record<string, string> =
  process.platform === 'win32'
    ? { SystemRoot: 'C:\\Windows', PATH: 'C:\\Windows\\System32', LC_ALL: 'C', TZ: 'UTC' }
    : { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Throws EMBEDDED_INITDB. `sync: false` is for throw-away clusters. */
export async function createClusterIfMissing(
  layout: EmbeddedLayout,
  binaries: string,
  account: ServerAccount,
  { sync, onProgress }: { sync: boolean; onProgress: (message: string) => void },
): Promise<void> {
  try {
    if (!(await exists(layout.cluster))) {
      onProgress(`creating a database cluster in ${layout.cluster}`);
      await createCluster(layout, binaries, account, sync);
    }
  } finally {
    await removeLeftovers(layout);
  }
}

async function createCluster(
  layout: EmbeddedLayout,
  binaries: string,
  account: ServerAccount,
  sync: boolean,
): Promise<void> {
  const staging = `${layout.cluster}.new-${randomBytes(6).toString('hex')}`;
  const dataDir = path.join(staging, 'data');
  const pwfile = path.join(staging, 'pwfile');
  const password = randomBytes(32).toString('base64url');
  await mkdir(staging);
  await chmod(staging, account ? 0o711 : 0o700);
  await writeFile(path.join(staging, 'password'), password, { mode: 0o600, flush: true });
  await writeFile(pwfile, password, { mode: 0o600 });
  await mkdir(dataDir, { mode: 0o700 });
  if (account) {
    await chown(pwfile, account.uid, account.gid);
    await chown(dataDir, account.uid, account.gid);
  }
  await run(path.join(binaries, 'bin', 'initdb'), initdbArguments(layout, dataDir, pwfile, sync), {
    cwd: layout.folder,
    env: serverEnvironment,
    ...account,
  }).catch((cause: unknown) => {
    throw initdbError(cause);
  });
  await rm(pwfile);
  await rename(staging, layout.cluster);
}

function initdbArguments(layout: EmbeddedLayout, dataDir: string, pwfile: string, sync: boolean): string[] {
  // A new version of the C library may sort differently, and then indexes break. Built-in locales do not change.
  // PostgreSQL has them since 17.
  const locale =
    layout.major >= 17
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
      : ['--locale=C'];
  const access = ['--auth-host=scram-sha-256', '--auth-local=scram-sha-256', `--pwfile=${pwfile}`];
  const base = ['-D', dataDir, '-U', 'postgres', '--encoding=UTF8', ...locale, ...access];
  return sync ? base : [...base, '--no-sync'];
}

function initdbError(cause: unknown): OperatorError {
  const { stderr, message } = cause as { stderr?: string; message: string };
  return new OperatorError({
    code: 'EMBEDDED_INITDB',
    happened: `The embedded Postgres could not create its data directory: ${lastLines(stderr || message)}`,
    means: 'There is no database to use, and nothing was left behind',
    todo: 'Fix what initdb reports, or set DATABASE_URL',
    cause,
  });
}

/** Throws EMBEDDED_PASSWORD if the file cannot be read. */
export async function readPassword(layout: EmbeddedLayout): Promise<string> {
  return readFile(layout.passwordFile, 'utf8').catch((cause: unknown) => {
    throw new OperatorError({
      code: 'EMBEDDED_PASSWORD',
      happened: `The password of the embedded Postgres cannot be read from ${layout.passwordFile}`,
      means: 'The data is still there, but no client can connect',
      todo: `Restore the file, run as the user who owns it, or move ${layout.cluster} away to begin with an empty database`,
      cause,
    });
  });
}

async function removeLeftovers(layout: EmbeddedLayout): Promise<void> {
  for (const name of await readdir(layout.folder)) {
    if (!name.startsWith(`${path.basename(layout.cluster)}.new-`)) continue;
    // The initdb of a killed client may still be writing there. A later start removes the rest.
    await rm(path.join(layout.folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
