// What logical replication would read: the publication, the tables of schema `risk`, and whether changes of each table
// can be replayed elsewhere.
import { sql } from 'drizzle-orm';
import { IS_PERSONAL } from '../../db/roles.ts';
import type { Transaction } from '../../db/transaction.ts';

export type PublishedTable = {
  /** Without the schema. */
  table: string;
  /** Whether it holds emails and names. */
  personal: boolean;
  published: boolean;
  /**
   * The replica identity, by which an UPDATE or DELETE names its row. Without one, PostgreSQL refuses both on a
   * published table.
   */
  identity: 'primary key' | 'unique index' | 'whole row' | 'nothing';
};

export type PublicationState = {
  walLevel: string;
  exists: boolean;
  /**
   * A publication of this name that publishes anything other than whole tables of schema `risk` with all their changes.
   */
  isForeign: boolean;
  /** Every table of schema `risk`, published or not. */
  tables: PublishedTable[];
};

export async function publicationState(tx: Transaction, name: string): Promise<PublicationState> {
  const { rows } = await tx.execute<Omit<PublicationState, 'tables'>>(sql`
    select current_setting('wal_level') as "walLevel", p.oid is not null as exists,
           coalesce(puballtables or pubviaroot or not (pubinsert and pubupdate and pubdelete and pubtruncate)
             or exists (select from pg_publication_namespace where pnpubid = p.oid)
             or exists (select from pg_publication_rel r join pg_class c on c.oid = prrelid
                  where prpubid = p.oid and (prqual is not null or prattrs is not null
                    or c.relnamespace::regnamespace::text <> 'risk')), false) as "isForeign"
      from (values (1)) one left join pg_publication p on p.pubname = ${name}`);
  const [state] = rows;
  if (state === undefined) throw new Error('the select returned no row');
  return { ...state, tables: await publishedTables(tx, name) };
}

async function publishedTables(tx: Transaction, name: string): Promise<PublishedTable[]> {
  const { rows } = await tx.execute<PublishedTable>(sql`
    select relname as "table", ${sql.raw(IS_PERSONAL)} as personal,
           exists (select from pg_publication_rel join pg_publication p on p.oid = prpubid
              where p.pubname = ${name} and prrelid = c.oid) as published,
           case when relreplident = 'f' then 'whole row'
                when relreplident = 'd' and exists (select from pg_index where indrelid = c.oid and indisprimary) then 'primary key'
                when relreplident = 'i' and exists (select from pg_index where indrelid = c.oid and indisreplident) then 'unique index'
                else 'nothing' end as identity
      from pg_class c where relnamespace = to_regnamespace('risk') and relkind in ('r', 'p') order by relname`);
  return rows;
}
