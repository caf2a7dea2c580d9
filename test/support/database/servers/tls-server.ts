// A Postgres with TLS and a Unix socket. Its certificate and its pg_hba.conf can be exchanged while it runs.
import { execFileSync } from 'node:child_process';
import { chmod, chown, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startEmbedded, stopEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';
import { embeddedLayout, serverAccount } from '../../../../src/db/embedded/layout.ts';
import { testPool } from '../migrated-database.ts';
import { removeFolder, temporaryFolder } from './postgres-server.ts';

const CERTIFICATES = {
  good: ['subjectAltName=DNS:localhost,IP:127.0.0.1', '2'],
  expired: ['subjectAltName=DNS:localhost,IP:127.0.0.1', '-1'],
  otherHost: ['subjectAltName=DNS:db.example.net', '2'],
} as const;

export type TlsServer = {
  /** Over TCP, without sslmode. */
  url: string;
  socketFolder: string;
  /** PEM files: the authority of all certificates of the server, and one that signed none. */
  authority: string;
  otherAuthority: string;
  serve(name: keyof typeof CERTIFICATES): Promise<void>;
  /** New lines of pg_hba.conf. */
  admit(lines: string): Promise<void>;
  stop(): Promise<void>;
};

/** Undefined where openssl is not installed. */
export async function startTlsServer(): Promise<TlsServer | undefined> {
  const folder = await temporaryFolder();
  const at = (name: string) => path.join(folder, name);
  try {
    makeCertificates(at);
  } catch (error) {
    await removeFolder(folder);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const account = await serverAccount();
  const [cert, key] = [at('served.crt'), at('served.key')];
  const lay = async (name: string) => {
    await copyFile(at(`${name}.crt`), cert);
    await copyFile(at(`${name}.key`), key);
    await chmod(key, 0o600);
    if (account) await chown(key, account.uid, account.gid);
  };
  await lay('good');
  if (account) await chown(folder, account.uid, account.gid);
  const place = { dataHome: folder, home: folder, major: 18 } as const;
  const throwAway = {
    fsync: 'off',
    shared_buffers: '32MB',
    max_connections: '30',
    ssl: 'on',
    ssl_cert_file: cert,
    ssl_key_file: key,
    unix_socket_directories: folder,
  };
  const { url } = await startEmbedded({ ...place, throwAway });
  const { dataDir } = await embeddedLayout(place);
  // Opened before pg_hba.conf changes, so that it can always ask for the next reload.
  const pool = testPool(url);
  await pool.query('select');
  async function reload(): Promise<void> {
    const { rows } = await pool.query<{ before: Date }>('select pg_conf_load_time() as before');
    await pool.query('select pg_reload_conf()');
    const isOld = async () =>
      (await pool.query<{ same: boolean }>('select pg_conf_load_time() = $1 as same', [rows[0]?.before]))
        .rows[0]?.same;
    while (await isOld());
  }
  return {
    url: url.replace('?sslmode=disable', ''),
    socketFolder: folder,
    authority: at('authority.crt'),
    otherAuthority: at('other.crt'),
    async serve(name) {
      await lay(name);
      await reload();
    },
    async admit(lines) {
      await writeFile(path.join(dataDir, 'pg_hba.conf'), `${lines}\n`);
      await reload();
    },
    async stop() {
      await pool.end();
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}

function makeCertificates(at: (name: string) => string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['authority', 'other'])
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
    );
  for (const [name, [names, days]] of Object.entries(CERTIFICATES)) {
    const [key, request, cert] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.crt`)];
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-addext', names, '-keyout', key, '-out', request);
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      at('authority.crt'),
      '-CAkey',
      at('authority.key'),
      '-CAcreateserial',
      '-days',
      days,
      '-copy_extensions',
      'copy',
      '-out',
      cert,
    );
  }
}
