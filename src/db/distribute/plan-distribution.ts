// What is to be done to distribute a history, from what the catalog says. Pure. What is done already is left out: so it
// is for an empty database, for one with history, and for tables that a later migration has made.

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
/** Read in every claim, and written only when an account is added: so each node keeps a copy. */
const REFERENCE = ['risk_internal.account_keys'];

export type Distribution = {
  reference: string[];
  distributed: string[];
  /** Foreign keys that Citus refuses meanwhile: dropped before, made again after. */
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
