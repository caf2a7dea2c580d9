// The role that the product works with on the embedded server. It owns the product's databases, and is no superuser: a
// superuser could read every file of the server's user, and run programs as that user.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';

export const WORKER = 'zt_risk_sync';

/** `adminUrl` for the worker and the database `name`. */
export function workerUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  const password = workerPassword(url.password);
  url.username = WORKER;
  url.password = password;
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** Derived from the superuser's password, so that no second secret must be stored. It does not reveal that password. */
function workerPassword(adminPassword: string): string {
  return createHmac('sha256', decodeURIComponent(adminPassword)).update(WORKER).digest('base64url');
}

/**
 * Creates the role, or restores its password and rights. It may create logins for readers (CREATEROLE), see who holds a
 * lock, and end that session. Needs the superuser. Several processes may do this at once.
 */
export async function ensureWorker(admin: Client, adminUrl: string): Promise<void> {
  const password = escapeLiteral(scramVerifier(workerPassword(new URL(adminUrl).password)));
  const found = await admin.query('select from pg_roles where rolname = $1', [WORKER]);
  const verb = found.rowCount === 0 ? 'create' : 'alter';
  // One implicit transaction.
  const statements = `${verb} role ${WORKER} with login nosuperuser createrole password ${password};
    grant pg_read_all_stats, pg_signal_backend to ${WORKER}`;
  await admin.query(statements).catch(ignoreRace);
}

/** Another process did the same at that moment: the role exists now, or its row was changed. */
function ignoreRace(error: unknown): void {
  const { code } = error as { code?: string };
  if (!['42710', '23505', 'XX000'].includes(code ?? '')) throw error;
}

/** What the server stores for a password (RFC 5803), so that no statement holds the password itself. */
function scramVerifier(password: string): string {
  const [salt, iterations] = [randomBytes(16), 4096];
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const key = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}

/**
 * Hands a database that an older checkout made as the superuser to the worker, with the product's schemas in it.
 * `admin` is connected to that database.
 */
export async function handOver(admin: Client, name: string): Promise<void> {
  await admin.query(`
    alter database ${escapeIdentifier(name)} owner to ${WORKER};
    do $$ declare command text; begin
      for command in
        with ours as (select oid, nspname from pg_namespace where nspname in ('risk', 'risk_internal', 'risk_bi'))
        select format('alter schema %I owner to ${WORKER}', nspname) from ours
        union all
        select format('alter %s %s owner to ${WORKER}', case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
                      c.oid::regclass)
          from pg_class c join ours on ours.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'S')
           -- The sequence of a column follows its table.
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                             and d.refobjsubid > 0 and c.relkind = 'S')
        union all
        select format('alter routine %s owner to ${WORKER}', p.oid::regprocedure) from pg_proc p join ours on ours.oid = p.pronamespace
      loop execute command; end loop;
    end $$`);
}
