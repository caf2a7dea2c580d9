// The two roles for readers. risk_reader sees everything except emails and names. risk_pii_reader sees those as well.
// The catalog decides who may see what. So new objects of later migrations are granted or withheld automatically.
import { sql } from 'drizzle-orm';
import { OperatorError } from '../errors.ts';
import { IDENTITY_FIELDS } from '../user-risk.ts';
import { rootCause } from '../logger.ts';
import type { Pool } from './pool.ts';
import { isDistributed } from './distribute/citus.ts';
import { LOCK_TO_GRANT } from './locks/schema-lock.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from './transaction.ts';

export const READER = 'risk_reader';
export const PII_READER = 'risk_pii_reader';

/**
 * The settings of the two roles. A reader's login needs its own copy: a member inherits the grants of its groups, but
 * not their settings.
 */
export const READER_SETTINGS = [
  'default_transaction_read_only = on',
  "statement_timeout = '30s'",
  "idle_in_transaction_session_timeout = '1min'",
  "idle_session_timeout = '1h'",
  // For a query over a whole history, compiling the plan takes longer than the query itself.
  'jit = off',
] as const;

/**
 * Creates the roles that are missing, and grants. The database must already be migrated. Throws ROLES_DENIED (exit 77).
 */
export async function createRoles(pool: Pool): Promise<void> {
  await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    await tx.execute(sql.raw(LOCK_TO_GRANT));
    const missing = await missingSql(tx);
    try {
      for (const statement of missing) await tx.execute(sql.raw(tolerant(statement)));
    } catch (error) {
      if ((rootCause(error) as { code?: unknown } | null)?.code === '42501') throw denied(missing);
      throw error;
    }
    await setUnlessSet(tx);
    await letRolesReachNodes(tx);
    await tx.execute(sql.raw(`grant usage on schema risk, risk_bi to ${READER}`));
    await grantToReaders(tx);
  });
}

/** From here on, the transaction has only the rights of the role. Throws ROLES_MISSING (exit 78). */
export async function takeRole(tx: Transaction, role: typeof READER | typeof PII_READER): Promise<void> {
  try {
    await tx.execute(sql.raw(`set local role ${role}`));
  } catch (error) {
    // 22023: the role does not exist. 42501: this login is not a member of it.
    const { code } = (rootCause(error) ?? {}) as { code?: unknown };
    if (code !== '22023' && code !== '42501') throw error;
    throw rolesMissing(role);
  }
}

export function rolesMissing(role: typeof READER | typeof PII_READER): OperatorError {
  return new OperatorError({
    code: 'ROLES_MISSING',
    happened: `The database has no role ${role} that this program may take and that may read the history`,
    means: 'Pages and the API read the history only under the roles for readers',
    todo: 'Run `zt-risk-sync migrate --roles` once for this database',
  });
}

/** Roles belong to the whole server: another database may have created them. */
export async function roleMayRead(
  tx: Transaction,
  role: typeof READER | typeof PII_READER,
): Promise<boolean> {
  const { rows } = await tx.execute<{ may: boolean }>(
    sql`select has_schema_privilege(${role}, 'risk_bi', 'usage') as may`,
  );
  return rows[0]?.may === true;
}

/** For a migration, which holds its lock. Does nothing if the roles were never set up for this database. */
export async function renewGrants(tx: Transaction): Promise<void> {
  const { rows } = await tx.execute<{ found: boolean }>(sql`
    select coalesce((select has_schema_privilege(oid, to_regnamespace('risk_bi')::oid, 'usage') from pg_roles where rolname = ${READER}), false)
       and exists (select from pg_roles where rolname = ${PII_READER}) as found`);
  if (rows[0]?.found !== true) return;
  await grantToReaders(tx);
}

const PERSONAL_NAMES = `array[${IDENTITY_FIELDS.map((field) => `'${field}'`).join(', ')}]`;

/** Whether the relation `c` holds personal data. */
export const IS_PERSONAL = `exists (select from pg_attribute where attrelid = c.oid and attname = any (${PERSONAL_NAMES}) and not attisdropped)`;

/** An object holds personal data if one of its columns, arguments or results has the name of a field of the identity. */
async function grantToReaders(tx: Transaction): Promise<void> {
  const { rows } = await tx.execute<{ right: string; object: string; personal: boolean }>(sql`
    select 'select' as right, c.oid::regclass::text as object,
           ${sql.raw(IS_PERSONAL)} as personal
      from pg_class c
     where c.relnamespace in ('risk'::regnamespace, 'risk_bi'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
       and pg_has_role(c.relowner, 'usage')
    union all
    select 'execute', 'function ' || p.oid::regprocedure::text, coalesce(p.proargnames && ${sql.raw(PERSONAL_NAMES)}, false)
      from pg_proc p
     where p.pronamespace in ('risk'::regnamespace, 'risk_bi'::regnamespace) and pg_has_role(p.proowner, 'usage')`);
  for (const { right, object, personal } of rows) {
    if (personal) {
      await tx.execute(sql.raw(`revoke ${right} on ${object} from public, ${READER}`));
      await tx.execute(sql.raw(`grant ${right} on ${object} to ${PII_READER}`));
    } else {
      await tx.execute(sql.raw(`grant ${right} on ${object} to ${READER}`));
    }
  }
}

/** The statements that only a user who may create roles can run. Pages and the API read under both roles. */
async function missingSql(tx: Transaction): Promise<string[]> {
  const { rows } = await tx.execute<{ name: string; me: string; is16: boolean }>(
    sql`select rolname as name, quote_ident(current_user) as me, current_setting('server_version_num')::int >= 160000 as is16
          from pg_roles where rolname in (${READER}, ${PII_READER}) or rolname = current_user`,
  );
  const there = new Set(rows.map(({ name }) => name));
  const { me, is16 } = rows[0]!;
  const isMember = async (member: string, role: string, right: string) =>
    there.has(READER) &&
    there.has(PII_READER) &&
    (
      await tx.execute<{ is: boolean }>(
        sql`select pg_has_role(${member}::regrole, ${role}::regrole, ${right}) as is`,
      )
    ).rows[0]?.is === true;
  const statements = [READER, PII_READER]
    .filter((name) => !there.has(name))
    .map((name) => `create role ${name} nologin`);
  if (!(await isMember(PII_READER, READER, 'usage'))) statements.push(`grant ${READER} to ${PII_READER}`);
  // Since version 16, the creator of a role may grant it, but may not SET ROLE to it.
  const mayTake = is16 ? 'set' : 'member';
  if (!(await isMember(me, PII_READER, mayTake))) statements.push(`grant ${READER}, ${PII_READER} to ${me}`);
  return statements;
}

/**
 * On a distributed history, the coordinator logs in to the other nodes as the role that a transaction has taken. So
 * both roles may log in there. They have no password. If this user may not change them, nothing happens, and `doctor`
 * reports it.
 *
 * A node gets the tables behind a view, not the view. So the roles also need the tables behind the views of the clock.
 * Those hold nothing personal.
 */
export async function letRolesReachNodes(tx: Transaction): Promise<void> {
  if (!(await isDistributed(tx))) return;
  for (const name of [READER, PII_READER])
    await tx.execute(
      sql.raw(`do $$ begin
        if exists (select from pg_roles where rolname = '${name}' and not rolcanlogin) then alter role ${name} login; end if;
        exception when insufficient_privilege or internal_error then null; end $$`),
    );
  const { rows } = await tx.execute(sql`select from pg_roles where rolname = ${READER}`);
  if (rows.length === 0) return;
  await tx.execute(sql.raw(`grant usage on schema risk_internal to ${READER}`));
  await tx.execute(sql.raw(`grant select on risk_internal.feed_clock, risk_internal.epochs to ${READER}`));
}

/** Leaves alone settings that another person has given to a role, and roles that belong to another owner. */
async function setUnlessSet(tx: Transaction): Promise<void> {
  const { rows } = await tx.execute<{ name: string }>(
    sql`select rolname as name from pg_roles where rolname in (${READER}, ${PII_READER}) and rolconfig is null`,
  );
  for (const { name } of rows) {
    const settings = READER_SETTINGS.map((setting) => `alter role ${name} set ${setting};`).join(' ');
    // internal_error: a process in another database of the server sets them at the same moment.
    await tx.execute(
      sql.raw(
        `do $$ begin ${settings} exception when insufficient_privilege or internal_error or unique_violation then null; end $$`,
      ),
    );
  }
}

/** Roles belong to the whole server: a process in another database may create them at the same moment. */
function tolerant(statement: string): string {
  return `do $$ begin ${statement}; exception when duplicate_object or unique_violation then null; end $$`;
}

function denied(statements: readonly string[]): OperatorError {
  return new OperatorError({
    code: 'ROLES_DENIED',
    happened:
      'The database user may not create the roles for readers, or may not make one a member of the other',
    means: 'No role was created and nothing was granted. Migrations are not affected',
    todo: `Ask a database administrator to run \`${statements.join('; ')};\`. Then run \`zt-risk-sync migrate --roles\` again`,
  });
}
