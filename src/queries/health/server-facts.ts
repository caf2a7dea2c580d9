// Facts about the server: version, settings that matter to this program, connections left, clock.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../../db/transaction.ts';

export type ServerFacts = {
  /** 180004 is 18.4. */
  version: number;
  encoding: string;
  isStandby: boolean;
  /** Whether new transactions of this role are read-only by default. */
  readOnly: boolean;
  fsync: boolean;
  fullPageWrites: boolean;
  synchronousCommit: boolean;
  /** Connections that this role may still open. */
  connectionsLeft: number;
  maxConnections: number;
  /** In milliseconds; 0: no limit. The role's own limits. They hold where this program sets none. */
  statementTimeoutMs: number;
  idleInTransactionMs: number;
  /** PostgreSQL 17 and newer; otherwise 0. */
  transactionTimeoutMs: number;
};

export async function serverFacts(tx: Transaction): Promise<ServerFacts> {
  // pg_stat_database counts the sessions of all roles; pg_stat_activity hides those of others.
  const { rows } = await tx.execute<ServerFacts>(sql`
    with s as (select name, reset_val, setting from pg_settings),
         value as (select (select setting from s where name = 'server_version_num')::integer as version,
           (select setting from s where name = 'max_connections')::integer as max_connections,
           (select coalesce(sum(setting::integer), 0) from s
             where name in ('superuser_reserved_connections', 'reserved_connections'))::integer as reserved,
           (select coalesce(sum(numbackends), 0) from pg_stat_database)::integer as used,
           (select datconnlimit from pg_database where datname = current_database()) as database_limit,
           (select numbackends from pg_stat_database where datname = current_database()) as database_used,
           (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
           (select count(*) from pg_stat_activity where usename = current_user)::integer as role_used)
    select version, pg_encoding_to_char(encoding) as encoding, pg_is_in_recovery() as "isStandby",
           current_setting('default_transaction_read_only') = 'on' as "readOnly",
           current_setting('fsync') = 'on' as fsync,
           current_setting('full_page_writes') = 'on' as "fullPageWrites",
           current_setting('synchronous_commit') <> 'off' as "synchronousCommit",
           least(max_connections - reserved - used,
                 case when database_limit >= 0 then database_limit - database_used end,
                 case when role_limit >= 0 then role_limit - role_used end)::integer as "connectionsLeft",
           max_connections as "maxConnections",
           (select reset_val from s where name = 'statement_timeout')::integer as "statementTimeoutMs",
           (select reset_val from s where name = 'idle_in_transaction_session_timeout')::integer as "idleInTransactionMs",
           coalesce((select reset_val from s where name = 'transaction_timeout')::integer, 0) as "transactionTimeoutMs"
      from value, pg_database
     where datname = current_database()`);
  const [facts] = rows;
  if (facts === undefined) throw new Error('a database without a row in pg_database');
  return facts;
}

/** The database's clock, in milliseconds since 1970. */
export async function databaseClock(tx: Transaction): Promise<number> {
  const { rows } = await tx.execute<{ ms: number }>(
    sql`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`,
  );
  return rows[0]?.ms ?? Number.NaN;
}
