// Runs psql on the embedded server. Its password is in a file, because every user of the machine can read arguments
// (`ps`).
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OperatorError } from '../../errors.ts';
import type { EmbeddedOptions } from './layout.ts';
import { embeddedLayout } from './layout.ts';

type PsqlEnvironment = Readonly<Record<string, string | undefined>>;

/** The path of psql. Throws PSQL_MISSING. */
export function findPsql(env: PsqlEnvironment): string {
  const name = process.platform === 'win32' ? 'psql.exe' : 'psql';
  const folders = (env['PATH'] ?? env['Path'] ?? '')
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder));
  const found = folders.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new OperatorError({
    code: 'PSQL_MISSING',
    happened: 'There is no psql on the PATH',
    means: 'It is a client of PostgreSQL, and does not come with this program. The database is not affected',
    todo: 'Install it: `apt-get install postgresql-client` (Debian, Ubuntu), `dnf install postgresql` (Fedora), `apk add postgresql-client` (Alpine), `brew install libpq && brew link --force libpq` (macOS), `winget install PostgreSQL.PostgreSQL.18` (Windows)',
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes the password file of libpq beside the file of the superuser's password, with the same mode. The file stays,
 * because a killed command could not remove it anyway. Returns its path.
 */
export async function keepPasswordFile(options: EmbeddedOptions, url: string): Promise<string> {
  const { pgpassFile } = await embeddedLayout(options);
  const { hostname, username, password } = new URL(url);
  const copy = `${pgpassFile}.${process.pid}`;
  // For every port, because the server may start on another port next time.
  await writeFile(copy, `${hostname}:*:*:${username}:${password}\n`, { mode: 0o600 });
  await rename(copy, pgpassFile);
  return pgpassFile;
}

/**
 * Pure. The caller's environment, because psql starts a pager and an editor, but without the PG* variables for another
 * server.
 */
export function psqlEnvironment(env: PsqlEnvironment, url: string, passwordFile: string): PsqlEnvironment {
  const { hostname, port, username, pathname } = new URL(url);
  const others = Object.entries(env).filter(([name]) => !name.toUpperCase().startsWith('PG'));
  return {
    ...Object.fromEntries(others),
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    PGPASSFILE: passwordFile,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    // Since version 16, psql obeys this: it sends no password in clear text, and makes the server prove that it knows
    // the password.
    PGREQUIREAUTH: 'scram-sha-256',
    PGCONNECT_TIMEOUT: '10',
  };
}

/**
 * Returns the exit code of psql. Blocks until psql ends, so that Ctrl-C reaches only psql, where it cancels a
 * statement.
 */
export function runPsql(psql: string, args: readonly string[], env: PsqlEnvironment): number {
  const { status, error } = spawnSync(psql, args, { env: { ...env }, stdio: 'inherit' });
  if (error !== undefined) throw error;
  return status ?? 1;
}
