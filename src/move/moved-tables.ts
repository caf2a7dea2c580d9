// The tables that belong to a history and move with it. The list follows from the schema: a new table moves unless it
// is named here.
import { getTableName, is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import * as schema from '../db/schema.ts';

/** `name` with its schema, such as "risk.users". */
export type MovedTable = { name: string; columns: readonly string[] };

/**
 * Leases and reserved requests belong to processes at the old place. Staged rows exist only inside one transaction. The
 * clock is set, not copied: it begins a new epoch.
 */
const STAYS = [
  schema.leases,
  schema.requestBudgets,
  schema.stagedChanges,
  schema.stagedRejected,
  schema.stagedIdentities,
  schema.feedClock,
].map(nameOf);

/** Each table is after those that it refers to, so that foreign keys are satisfied at every moment. */
export function movedTables(): MovedTable[] {
  const waiting = allTables().filter((table) => !STAYS.includes(nameOf(table)));
  const ordered: PgTable[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex((table) =>
      parentsOf(table).every((parent) => parent === table || ordered.includes(parent)),
    );
    if (next < 0) throw new Error('tables refer to each other in a cycle');
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered.map((table) => ({
    name: nameOf(table),
    columns: getTableConfig(table).columns.map(({ name }) => name),
  }));
}

/** Tables of the schema that do not move. */
export function stayingTables(): readonly string[] {
  return STAYS;
}

/** Approximate bytes of a row in the binary format of COPY, by its types. Only for the progress. */
export function guessRowBytes(name: string): number {
  const table = allTables().find((one) => nameOf(one) === name);
  const columns = table === undefined ? [] : getTableConfig(table).columns;
  return columns.reduce((sum, column) => sum + 4 + (BYTES[column.getSQLType()] ?? 8), 2);
}

const BYTES: Readonly<Record<string, number>> = { integer: 4, boolean: 1, uuid: 16, text: 12, jsonb: 300 };

function allTables(): PgTable[] {
  return Object.values<unknown>(schema).filter((value): value is PgTable => is(value, PgTable));
}

function parentsOf(table: PgTable): PgTable[] {
  return getTableConfig(table).foreignKeys.map((key) => key.reference().foreignTable);
}

function nameOf(table: PgTable): string {
  return `${getTableConfig(table).schema}.${getTableName(table)}`;
}
