// The catalogue as a document of the Open Data Contract Standard 3.1. Pure. It says what the database guarantees, and
// nothing about the place where the database runs: server, team, support and service levels belong to the operator.
import type { Catalogue, CatalogueColumn, Relation } from './catalogue.ts';
import { IDENTITY_FIELDS } from '../user-risk.ts';
import { rulesOf, type ColumnRule } from './rules.ts';

type Fields = Readonly<Record<string, unknown>>;

const PURPOSE = `The history of user risk levels in Cloudflare Zero Trust, which Cloudflare itself does not keep. It holds the current state of every user, every period at one level, every change of the event counters, and the counts of every snapshot.`;

const LIMITATIONS = `The history of an account begins with its first sync. It knows the state at each snapshot: what rose and fell between two snapshots is not in it. A partial snapshot may have missed present users, who are carried with their last known state. The changes of baseline snapshots are a first load, not news. A column that is described as a stock must not be added up over time. Emails and names are personal data. In a distributed history (Citus), feed values, snapshot ids and watermarks count within an account: a snapshot is identified by its account and its id.`;

export function dataContract(catalogue: Catalogue, version: string): Fields {
  return {
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: 'zt-risk-sync',
    name: 'Cloudflare Zero Trust user risk history',
    version,
    status: 'active',
    description: {
      purpose: PURPOSE,
      usage: catalogue.schemas.map(({ name, about }) => `Schema ${name}: ${about}`).join(' '),
      limitations: LIMITATIONS,
    },
    schema: catalogue.relations.map((relation) => objectOf(relation, catalogue.relations)),
    roles: rolesOf(catalogue.relations),
  };
}

/** Both schemas have a `users`. References need names without a dot. */
const nameOf = (relation: string) => relation.replace('.', '_');

/** A function has several forms, which differ in their arguments. The shortest one has the bare name. */
function uniqueName(relation: Relation, all: readonly Relation[]): string {
  const { name, arguments: given } = relation;
  const isShortest = all.every(
    (other) => other.name !== name || other.arguments.length >= given.length || other === relation,
  );
  return [nameOf(name), ...(isShortest ? [] : given.map((one) => one.name))].join('_');
}

function objectOf(relation: Relation, all: readonly Relation[]): Fields {
  const { name, kind, about, reader } = relation;
  const rules = rulesOf(relation);
  const described = descriptions(relation, all);
  const relationships = relation.foreignKeys.map((key) => ({
    type: 'foreignKey',
    from: references(name, key.columns),
    to: references(key.to, key.toColumns),
  }));
  const quality = [...duplicates(relation), ...conditions(name, rules.others)];
  const unique = uniqueName(relation, all);
  return {
    id: unique,
    name: unique,
    physicalName: name,
    physicalType: kind,
    logicalType: 'object',
    description: about,
    customProperties: [
      { property: 'readableBy', value: reader },
      ...(kind === 'function' ? [{ property: 'arguments', value: relation.arguments }] : []),
    ],
    properties: relation.columns.map((column) =>
      propertyOf({ ...column, about: described(column) }, relation, rules.columns.get(column.name)),
    ),
    ...(relationships.length > 0 && { relationships }),
    ...(quality.length > 0 && { quality }),
  };
}

/** The standard has a list only for keys of several columns. */
function references(relation: string, columns: readonly string[]): string | string[] {
  const all = columns.map((column) => `${nameOf(relation)}.${column}`);
  return all.length === 1 ? all[0]! : all;
}

/**
 * The function `x_in` has the columns of the view `x`, with another time zone. Only the view can have comments on them.
 */
function descriptions({ name }: Relation, all: readonly Relation[]) {
  const twin = all.find((other) => `${other.name}_in` === name)?.columns ?? [];
  return (column: CatalogueColumn) =>
    column.about ?? twin.find((other) => other.name === column.name)?.about ?? null;
}

const LOGICAL: Readonly<Record<string, Fields>> = {
  text: { logicalType: 'string' },
  uuid: { logicalType: 'string', logicalTypeOptions: { format: 'uuid' } },
  integer: { logicalType: 'integer', logicalTypeOptions: { format: 'i32' } },
  bigint: { logicalType: 'integer', logicalTypeOptions: { format: 'i64' } },
  'double precision': { logicalType: 'number', logicalTypeOptions: { format: 'f64' } },
  boolean: { logicalType: 'boolean' },
  date: { logicalType: 'date' },
  'timestamp with time zone': { logicalType: 'timestamp', logicalTypeOptions: { timezone: true } },
  jsonb: { logicalType: 'object' },
};

function propertyOf(column: CatalogueColumn, relation: Relation, rule: ColumnRule = {}): Fields {
  const logical = LOGICAL[column.type];
  if (logical === undefined) throw new Error(`no logical type for ${column.type}`);
  const position = relation.primaryKey.indexOf(column.name) + 1;
  const isUnique = relation.unique.some(
    ({ columns, where }) => where === null && columns.join() === column.name,
  );
  return {
    name: column.name,
    ...(column.about !== null && { description: column.about }),
    physicalType: column.type,
    ...logical,
    ...(rule.minimum !== undefined && {
      logicalTypeOptions: { ...(logical['logicalTypeOptions'] as Fields), minimum: rule.minimum },
    }),
    ...(column.required && { required: true }),
    ...(position > 0 && { primaryKey: true, primaryKeyPosition: position }),
    ...((isUnique || (position > 0 && relation.primaryKey.length === 1)) && { unique: true }),
    ...(isPersonal(column, relation) && { classification: 'personal' }),
    ...(rule.values !== undefined && {
      quality: [{ metric: 'invalidValues', arguments: { validValues: rule.values }, mustBe: 0 }],
    }),
  };
}

/** The grants say which relations hold emails and names (src/db/roles.ts). */
function isPersonal({ name }: CatalogueColumn, { reader }: Relation): boolean {
  return reader === PII_READER && PERSONAL.has(name);
}

/** Keys of several columns. Some apply only to a part of the rows, such as open periods. */
function duplicates({ name, unique }: Relation): Fields[] {
  return unique
    .filter(({ columns, where }) => columns.length > 1 || where !== null)
    .map(({ columns, where }) =>
      where === null
        ? { metric: 'duplicateValues', arguments: { properties: columns }, mustBe: 0 }
        : {
            type: 'sql',
            description: `${columns.join(', ')} are unique among the rows with ${where}`,
            query: `select count(*) from (select from ${name} where ${where} group by ${columns.join(', ')} having count(*) > 1) repeated`,
            mustBe: 0,
          },
    );
}

/** A condition that is null counts as met, as in the database. */
function conditions(relation: string, checks: Relation['checks']): Fields[] {
  return checks.map(({ name, condition }) => {
    const text = condition.replaceAll(/\s+/g, ' ').trim();
    return { name, type: 'sql', query: `select count(*) from ${relation} where not (${text})`, mustBe: 0 };
  });
}

const PERSONAL: ReadonlySet<string> = new Set(IDENTITY_FIELDS);
const READER = 'risk_reader';
const PII_READER = 'risk_pii_reader';

function rolesOf(relations: readonly Relation[]): Fields[] {
  const personal = [
    ...new Set(relations.filter(({ reader }) => reader === PII_READER).map(({ name }) => name)),
  ];
  const made = 'The command `migrate --roles` makes this role.';
  return [
    {
      role: READER,
      access: 'read',
      description: `Reads schemas risk and risk_bi, except ${personal.join(', ')}. ${made}`,
    },
    {
      role: PII_READER,
      access: 'read',
      description: `Reads what ${READER} reads, and also emails and names: ${personal.join(', ')}. ${made}`,
    },
  ];
}
