// What the database says about schemas risk and risk_bi: comments, keys, types, rules and grants.
// test/contract/catalogue.test.ts reads catalogue.json from a migrated database, so that no code here needs a database.
import read from './catalogue.json' with { type: 'json' };

export type CatalogueColumn = { name: string; type: string; about: string | null; required: boolean };

export type Relation = {
  /** "risk.users" */
  name: string;
  kind: 'table' | 'view' | 'function';
  about: string;
  /** The role that may read it. */
  reader: string;
  columns: readonly CatalogueColumn[];
  /** Set for a function. */
  arguments: readonly { name: string; type: string }[];
  primaryKey: readonly string[];
  /** `where`: the rows that it applies to. Null: all rows. */
  unique: readonly { columns: readonly string[]; where: string | null }[];
  foreignKeys: readonly { columns: readonly string[]; to: string; toColumns: readonly string[] }[];
  /** `condition` is SQL that is true or null for every row. */
  checks: readonly { name: string; condition: string }[];
};

export type Catalogue = {
  schemas: readonly { name: string; about: string }[];
  relations: readonly Relation[];
};

export const CATALOGUE = read as Catalogue;
