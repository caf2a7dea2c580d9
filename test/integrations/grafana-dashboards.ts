// The dashboards under integrations/, and what Grafana does when it opens one.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expandMacros } from './grafana-macros.ts';

export type Source = { type: string; uid: string };
export type Target = { datasource: Source; format: 'table' | 'time_series'; rawSql: string };
type Variable = { name: string; type: string; datasource: Source; query: string };
export type Panel = {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: Source;
  targets?: Target[];
  gridPos: { x: number; y: number; w: number; h: number };
};
export type Dashboard = {
  uid: string;
  title: string;
  tags: string[];
  templating: { list: Variable[] };
  panels: Panel[];
};
export type Query = (sql: string) => Promise<Record<string, unknown>[]>;
export type Opened = { variables: Record<string, string>; ask(rawSql: string): ReturnType<Query> };

const folder = path.resolve(import.meta.dirname, '../../integrations/grafana');

export const readGrafana = (file: string): string => readFileSync(path.join(folder, file), 'utf8');

export const dashboards = readdirSync(path.join(folder, 'dashboards')).map((file) => ({
  file,
  text: readGrafana(`dashboards/${file}`),
  dashboard: JSON.parse(readGrafana(`dashboards/${file}`)) as Dashboard,
}));

export function dashboardOf(name: string): Dashboard {
  return dashboards.find(({ file }) => file === name)?.dashboard ?? assert.fail(`no dashboard ${name}`);
}

export function sqlOf(dashboard: Dashboard, title: string): string {
  const [target] = dashboard.panels.find((panel) => panel.title === title)?.targets ?? [];
  return target?.rawSql ?? assert.fail(`no panel ${title}`);
}

/**
 * Expands the variables first, in order: each has its first value unless one is given. Then the panels' queries run.
 */
export async function openDashboard(
  dashboard: Dashboard,
  query: Query,
  range: { from: Date; to: Date; variables?: Record<string, string> },
): Promise<Opened> {
  const variables: Record<string, string> = {};
  const expand = (sql: string) => expandMacros(sql, { ...range, interval: '1h', variables });
  for (const { name, type, query: sql } of dashboard.templating.list) {
    assert.equal(type, 'query', `variable ${name}`);
    const [first] = (await query(expand(sql))) as { __value: string; __text: string }[];
    assert.ok(first?.__text, `variable ${name} has no value`);
    variables[name] = range.variables?.[name] ?? first.__value;
  }
  return { variables, ask: (rawSql) => query(expand(rawSql)) };
}
