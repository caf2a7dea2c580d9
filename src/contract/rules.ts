// What the CHECK constraints of a table say about single columns, and which constraints remain. Pure.
import type { Relation } from './catalogue.ts';

export type ColumnRule = { values?: readonly string[]; minimum?: number };
export type Rules = { columns: ReadonlyMap<string, ColumnRule>; others: Relation['checks'] };

export function rulesOf({ checks }: Pick<Relation, 'checks'>): Rules {
  const columns = new Map<string, ColumnRule>();
  const others = checks.filter(({ condition }) => {
    const found = oneOf(condition) ?? atLeast(condition);
    for (const [name, rule] of found ?? []) columns.set(name, { ...columns.get(name), ...rule });
    return found === null;
  });
  return { columns, others };
}

type Found = readonly (readonly [column: string, rule: ColumnRule])[] | null;

/** "verdict = ANY (ARRAY['complete'::text, 'partial'::text])" */
function oneOf(condition: string): Found {
  const [, column, values] = /^(\w+) = ANY \(ARRAY\[((?:'\w+'::text(?:, )?)+)\]\)$/.exec(condition) ?? [];
  if (column === undefined || values === undefined) return null;
  return [[column, { values: [...values.matchAll(/'(\w+)'/g)].map(([, value = '']) => value) }]];
}

/** "a >= 0 AND b >= 0", and "LEAST(a::bigint, b) >= 0" of columns that are never null. */
function atLeast(condition: string): Found {
  const [, all, least] = /^LEAST\(([^()]+)\) >= (\d+)$/.exec(condition) ?? [];
  const found = (all?.split(', ').map((one) => `${one} >= ${least}`) ?? condition.split(' AND ')).map((one) =>
    /^(\w+)(?:::bigint)? >= (\d+)$/.exec(one),
  );
  if (found.some((one) => one === null)) return null;
  return found.map((one) => [one![1]!, { minimum: Number(one![2]) }]);
}
