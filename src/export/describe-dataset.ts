// A dataset as a table schema of the Data Package standard: what the catalog says about its columns and keys. Pure.
import { CATALOGUE, type CatalogueColumn, type Relation } from '../contract/catalogue.ts';
import { rulesOf, type ColumnRule } from '../contract/rules.ts';
import type { DatasetColumn, ColumnKind, Dataset, DatasetName } from './datasets.ts';

export type Field = {
  name: string;
  type: string;
  format?: string;
  description?: string;
  constraints?: { required?: true; enum?: readonly string[]; minimum?: number };
};

export function packageFields(dataset: Dataset): Field[] {
  const sources = sourcesOf(dataset);
  return dataset.columns.map((column) => fieldOf(column, factsOf(column, sources)));
}

const TYPES: Readonly<Record<ColumnKind, { type: string; format?: string }>> = {
  text: { type: 'string' },
  outside: { type: 'string' },
  uuid: { type: 'string', format: 'uuid' },
  time: { type: 'datetime' },
  integer: { type: 'integer' },
  bigint: { type: 'integer' },
  double: { type: 'number' },
  boolean: { type: 'boolean' },
};

type Facts = Pick<CatalogueColumn, 'about' | 'required'> & { rule: ColumnRule };

function fieldOf(
  { name, kind }: DatasetColumn,
  { about, required, rule: { values, minimum } }: Facts,
): Field {
  const constraints = {
    ...(required && { required }),
    ...(values && { enum: values }),
    ...(minimum !== undefined && { minimum }),
  };
  return {
    name,
    ...TYPES[kind],
    ...(about !== null && { description: about }),
    ...(Object.keys(constraints).length > 0 && { constraints }),
  };
}

/** Relations by alias: "risk.users u join risk.accounts a using (account_key)". */
function sourcesOf({ from, isSnapshot }: Dataset): ReadonlyMap<string, Relation> {
  const named = isSnapshot === true ? `risk.snapshots s ${from}` : from;
  return new Map(
    [...named.matchAll(/(risk(?:_bi)?\.\w+)(?:\([^)]*\))? (\w)\b/g)].map(([, name = '', alias = '']) => [
      alias,
      relation(name),
    ]),
  );
}

/** Columns of a function have no comments. The comments of these tables are used. */
const INSTEAD_OF_FUNCTION = ['risk.user_levels', 'risk.user_activity', 'risk.users', 'risk.user_identities'];

function factsOf({ name, sql }: DatasetColumn, sources: ReadonlyMap<string, Relation>): Facts {
  const [, alias = '', column] = /^(\w)\.(\w+)$/.exec(sql) ?? [];
  const source = column === 'account_id' ? relation('risk.accounts') : sources.get(alias);
  const known = source?.kind === 'function' ? INSTEAD_OF_FUNCTION.map(relation) : [source];
  for (const one of known) {
    const found = one?.columns.find((other) => other.name === column);
    if (one && found) return { ...found, rule: rulesOf(one).columns.get(found.name) ?? {} };
  }
  throw new Error(`the catalogue has no column ${name}`);
}

function relation(name: string): Relation {
  const found = CATALOGUE.relations.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the catalogue has no ${name}`);
  return found;
}

/** Views and functions have no key in the catalog. */
const KEYS: Partial<Record<DatasetName, readonly string[]>> = {
  'level-changes': ['account_id', 'user_id', 'changed_at'],
  'snapshot-users': ['account_id', 'user_id'],
};
/**
 * The file has the ids of accounts instead of their keys. Users keep their key: an erasure replaces the id, and rows
 * with the same key overwrite the rows in a copy.
 */
const IDS: Readonly<Record<string, string>> = { account_key: 'account_id' };

export function keyOf(dataset: Dataset): readonly string[] {
  const [table] = [...sourcesOf(dataset).values()];
  return KEYS[dataset.name] ?? table!.primaryKey.map((column) => IDS[column] ?? column);
}

export type Reference = {
  fields: readonly string[];
  reference: { resource: DatasetName; fields: readonly string[] };
};

/** References to the other datasets of the same export. */
export function referencesOf(dataset: Dataset, others: readonly DatasetName[]): Reference[] {
  const has = (name: string) => dataset.columns.some((column) => column.name === name);
  const to = (resource: DatasetName, fields: readonly string[]) =>
    resource !== dataset.name && others.includes(resource) && fields.every(has)
      ? [{ fields, reference: { resource, fields } }]
      : [];
  return [
    ...to('accounts', ['account_id']),
    ...to('users', ['account_id', has('user_key') ? 'user_key' : 'user_id']),
    ...(dataset.name === 'snapshot-levels' ? to('snapshots', ['account_id', 'snapshot_id']) : []),
  ];
}
