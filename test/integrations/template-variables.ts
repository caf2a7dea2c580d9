// What Metabase and Superset make of the variables in our SQL: the syntax that integrations/ uses, as both document it.
// Anything else is an error.

export type Values = Readonly<Record<string, string | { date: string }>>;

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** `{{x}}` becomes a literal of the variable's type; `[[ ... {{x}} ]]` is left out when x has no value. */
export function expandMetabase(sql: string, values: Values): string {
  const put = (text: string) =>
    text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`no value for ${name}`);
      return typeof value === 'string' ? literal(value) : `date ${literal(value.date)}`;
    });
  const optional = sql.replaceAll(/\[\[(.*?)\]\]/gs, (_, clause: string) => {
    const names = [...clause.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? '');
    if (names.length === 0) throw new Error(`no variable in [[${clause}]]`);
    return names.every((name) => values[name] !== undefined) ? clause : '';
  });
  return unexpanded(put(optional));
}

/** `{{ x }}` becomes the plain text of a template parameter. */
export function expandSuperset(sql: string, values: Values): string {
  return unexpanded(
    sql.replaceAll(/\{\{ (\w+) \}\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`no value for ${name}`);
      return typeof value === 'string' ? value : value.date;
    }),
  );
}

function unexpanded(sql: string): string {
  const left = /\{\{.*?\}\}|\{%.*?%\}|\[\[|\]\]/s.exec(sql);
  if (left !== null) throw new Error(`no syntax known for ${left[0]}`);
  return sql;
}
