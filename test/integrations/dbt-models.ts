// A stand-in for the parts of dbt that integrations/dbt uses: it resolves ref, source and var, orders the models, and
// creates them in the caller's schema. Anything else in braces is an error.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export const dbtFolder = path.resolve(import.meta.dirname, '../../integrations/dbt');

export const readDbt = (file: string): string => readFileSync(path.join(dbtFolder, file), 'utf8');

export type Model = { name: string; folder: string; sql: string; needs: string[] };

export function modelsInOrder(): Model[] {
  const waiting = filesUnder('models', '.sql').map((file) => {
    const sql = readDbt(file);
    return {
      name: path.basename(file, '.sql'),
      folder: path.basename(path.dirname(file)),
      sql,
      needs: [...sql.matchAll(/ref\('(\w+)'\)/g)].map((match) => match[1] ?? ''),
    };
  });
  const ordered: Model[] = [];
  const made = new Set<string>();
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ needs }) => needs.every((name) => made.has(name)));
    const [model] = next < 0 ? [] : waiting.splice(next, 1);
    if (model === undefined) throw new Error(`no order for ${waiting.map(({ name }) => name).join(', ')}`);
    ordered.push(model);
    made.add(model.name);
  }
  return ordered;
}

export function resolve(sql: string, schema: string): string {
  const { vars } = parse(readDbt('dbt_project.yml')) as { vars: Record<string, unknown> };
  const resolved = sql
    .replaceAll(/\{\{ config\([^)]*\) \}\}/g, '')
    .replaceAll(/\{\{ source\('(\w+)', '(\w+)'\) \}\}/g, '$1.$2')
    .replaceAll(/\{\{ ref\('(\w+)'\) \}\}/g, `${schema}.$1`)
    .replaceAll(/\{\{ var\("(\w+)"\) \}\}/g, (_, name: string) => {
      if (!(name in vars)) throw new Error(`no variable ${name}`);
      return String(vars[name]);
    });
  const left = /\{\{.*?\}\}|\{%.*?%\}/s.exec(resolved);
  if (left !== null) throw new Error(`no meaning of ${left[0]}`);
  return resolved;
}

export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(path.join(dbtFolder, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.join(folder, file))
    .toSorted();
}
