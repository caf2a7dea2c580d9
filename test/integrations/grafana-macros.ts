// What Grafana makes of a panel's SQL before PostgreSQL sees it: the macros and variables that our dashboards use, as
// Grafana documents them. Anything else is an error, so that no panel escapes the tests.

export type Dashboard = {
  from: Date;
  to: Date;
  /** Such as 30m, 1h or 1d. Grafana chooses it from the time range and the width of the panel. */
  interval: string;
  variables: Readonly<Record<string, string>>;
};

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function expandMacros(rawSql: string, { from, to, interval, variables }: Dashboard): string {
  const instant = (at: Date) => `'${at.toISOString()}'`;
  const withVariables = rawSql
    .replaceAll(/\$__interval\b/g, interval)
    .replaceAll(
      /\$\{([a-z]\w*)(?::(\w+))?\}|\$([a-z]\w*)/gi,
      (_, braced?: string, format?: string, bare?: string) => {
        const name = braced ?? bare ?? '';
        const value = variables[name];
        if (value === undefined) throw new Error(`no variable ${name}`);
        if (format === undefined) return value;
        if (format === 'sqlstring') return `'${value.replaceAll("'", "''")}'`;
        throw new Error(`no format ${format}`);
      },
    );
  return withVariables.replaceAll(/\$__(\w+)(?:\(([^)]*)\))?/g, (_, macro: string, list = '') => {
    const [column = '', every = ''] = String(list)
      .split(',')
      .map((argument) => argument.trim());
    if (macro === 'timeFrom') return instant(from);
    if (macro === 'timeTo') return instant(to);
    if (macro === 'timeFilter' && column !== '')
      return `${column} BETWEEN ${instant(from)} AND ${instant(to)}`;
    if (macro === 'timeGroup' && column !== '') {
      const seconds = secondsOf(every);
      return `floor((extract(epoch from ${column}))/${seconds})*${seconds}`;
    }
    throw new Error(`no macro $__${macro}(${list})`);
  });
}

function secondsOf(text: string): number {
  const [, count, unit] = /^'?(\d+)([smhd])'?$/.exec(text) ?? [];
  const seconds = Number(count) * (SECONDS[unit ?? ''] ?? Number.NaN);
  if (!(seconds > 0)) throw new Error(`no interval: ${text}`);
  return seconds;
}
