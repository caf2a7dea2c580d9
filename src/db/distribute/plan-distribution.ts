// Plans how to distribute a history, from what the catalog says. Pure. Finished steps are left out. So one plan fits an
// empty database, a database with history, and tables of a later migration.

export type TableFacts = {
  /** "risk.users" */
  name: string;
  hasAccountKey: boolean;
  /** Null: an ordinary table. */
  kind: 'distributed' | 'reference' | null;
};

export type ForeignKey = {
  table: string;
  to: string;
  name: string;
  /** As pg_get_constraintdef() prints it. */
  definition: string;
};

/** The first distributed table. The others are placed beside its rows. */
export const ANCHOR = 'risk.accounts';
/** Read in every claim, and written only when an account is added. So each node keeps a copy. */
const REFERENCE = ['risk_internal.account_keys'];

export type Distribution = {
  reference: string[];
  distributed: string[];
  /** Foreign keys that Citus refuses during this: dropped before, and created again after. */
  foreignKeys: ForeignKey[];
};

export function planDistribution(
  tables: readonly TableFacts[],
  foreignKeys: readonly ForeignKey[],
): Distribution {
  const reference = tables.filter(({ name, kind }) => REFERENCE.includes(name) && kind === null);
  // A table without an account stays on the coordinator.
  const distributed = tables.filter(
    ({ name, kind, hasAccountKey }) => hasAccountKey && kind === null && !REFERENCE.includes(name),
  );
  const names = distributed.map(({ name }) => name);
  return {
    reference: reference.map(({ name }) => name),
    distributed: names.toSorted((a, b) => Number(b === ANCHOR) - Number(a === ANCHOR) || (a < b ? -1 : 1)),
    foreignKeys: foreignKeys.filter(({ table, to }) => names.includes(table) || names.includes(to)),
  };
}

export function isNothing({ reference, distributed }: Distribution): boolean {
  return reference.length === 0 && distributed.length === 0;
}
