// The publication that readers by logical replication use: made, brought up to date, dropped. Never touches a slot:
// slots belong to the readers.
import { sql } from 'drizzle-orm';
import { holdSchema } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import { publicationState, type PublicationState } from '../queries/replication/publication-state.ts';
import { replicationSlots, type ReplicationSlot } from '../queries/replication/replication-slots.ts';

export type PublicationMade = { before: PublicationState; after: PublicationState };

/**
 * Publishes the tables of schema `risk`. Tables with emails and names are included only on request. Published tables
 * stay published. Throws PUBLICATION_TAKEN or PUBLICATION_DENIED.
 */
export async function createPublication(
  pool: Pool,
  name: string,
  identities: boolean,
): Promise<PublicationMade> {
  return inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    await holdSchema(tx);
    const before = await publicationState(tx, name);
    if (before.isForeign) throw publicationTaken(name);
    await runAs(tx, publicationStatements(before, name, identities), 'made');
    return { before, after: await publicationState(tx, name) };
  });
}

/** Pure: what is missing. The names of tables are from the catalog, and need no quotes in this schema. */
export function publicationStatements(
  { exists, tables }: PublicationState,
  name: string,
  identities: boolean,
): string[] {
  const wanted = tables.filter(({ published, personal }) => !published && (identities || !personal));
  const list = wanted.map(({ table }) => `risk.${table}`).join(', ');
  // Without a replica identity, updates and deletes of a published table fail, and the next sync fails with them.
  const repairs = tables
    .filter(({ table, published, identity }) => {
      const isPublished = published || wanted.some((one) => one.table === table);
      return isPublished && identity === 'nothing';
    })
    .map(({ table }) => `alter table risk.${table} replica identity default`);
  if (wanted.length === 0) return repairs;
  return [
    ...repairs,
    `${exists ? 'alter' : 'create'} publication ${name} ${exists ? 'add' : 'for'} table ${list}`,
  ];
}

export type PublicationDropped = { existed: boolean; slots: ReplicationSlot[] };

/**
 * `force`: drops it even while a reader is connected. Throws PUBLICATION_TAKEN, PUBLICATION_IN_USE or
 * PUBLICATION_DENIED.
 */
export async function dropPublication(pool: Pool, name: string, force: boolean): Promise<PublicationDropped> {
  return inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    const { exists, isForeign } = await publicationState(tx, name);
    const slots = (await replicationSlots(tx)).filter(({ plugin }) => plugin === 'pgoutput');
    if (!exists) return { existed: false, slots };
    if (isForeign) throw publicationTaken(name);
    const active = slots.filter((slot) => slot.active);
    if (active.length > 0 && !force) throw publicationInUse(name, active);
    await runAs(tx, [`drop publication ${name}`], 'dropped');
    return { existed: true, slots };
  });
}

async function runAs(tx: Transaction, statements: readonly string[], what: string): Promise<void> {
  try {
    for (const statement of statements) await tx.execute(sql.raw(statement));
  } catch (error) {
    if ((rootCause(error) as { code?: unknown } | null)?.code !== '42501') throw error;
    throw new OperatorError({
      code: 'PUBLICATION_DENIED',
      happened: `The database user may not have the publication ${what}`,
      means:
        'Nothing was changed. It needs CREATE on the database, and must own the tables and the publication',
      todo: `Use the worker's login, or ask a database administrator to run \`${statements.join('; ')}\``,
      cause: error,
    });
  }
}

function publicationTaken(name: string): OperatorError {
  return new OperatorError({
    code: 'PUBLICATION_TAKEN',
    happened: `There is a publication ${name}, and it is not one of this program`,
    means: 'It holds other tables, or leaves rows, columns or changes out. Nothing was changed',
    todo: 'Choose another name with --name',
  });
}

function publicationInUse(name: string, active: readonly ReplicationSlot[]): OperatorError {
  return new OperatorError({
    code: 'PUBLICATION_IN_USE',
    happened: `Readers are connected to this database (${active.map(({ slot }) => slot).join(', ')}), and may read ${name}`,
    means:
      'A reader fails without its publication, and its slot then keeps WAL for ever. Nothing was changed',
    todo: 'Stop the readers and drop their slots first. If they read another publication, add --force',
  });
}
