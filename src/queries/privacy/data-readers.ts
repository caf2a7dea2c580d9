// The database roles that may read the history, according to the catalog, and what leaves the database by replication.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';

export type DataReader = {
  role: string;
  can_login: boolean;
  is_superuser: boolean;
  /** Levels and counters of users, by user id. */
  levels: boolean;
  /** Emails and names, or what is kept of them. */
  identities: boolean;
  /** Rejected records. */
  rejected: boolean;
};

/** The questions are about other roles, by oid. So it is no error if such a role may not use the schema. */
export async function dataReaders(db: Db): Promise<DataReader[]> {
  const { rows } = await on(db).execute<DataReader>(sql`
    select * from (
      select rolname as role, rolcanlogin as can_login, rolsuper as is_superuser,
             has_schema_privilege(oid, 'risk', 'usage') and has_any_column_privilege(oid, 'risk.users', 'select') as levels,
             has_schema_privilege(oid, 'risk', 'usage') and has_any_column_privilege(oid, 'risk.user_identities', 'select') as identities,
             has_schema_privilege(oid, 'risk_internal', 'usage')
               and has_any_column_privilege(oid, 'risk_internal.rejected_records', 'select') as rejected
        from pg_roles where rolname !~ '^pg_') one
     where levels or identities or rejected
     order by identities desc, rejected desc, role`);
  return rows;
}

/** Publications that hold emails and names. */
export async function identityPublications(db: Db): Promise<string[]> {
  const { rows } = await on(db).execute<{ name: string }>(sql`
    select pubname as name from pg_publication_tables where schemaname = 'risk' and tablename = 'user_identities' order by 1`);
  return rows.map(({ name }) => name);
}
