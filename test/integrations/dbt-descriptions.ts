// The descriptions in the YAML of the dbt package. Where a column comes from a view, its description is the comment in
// the database. UPDATE_GOLDEN=1 writes them.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { dbtFolder, readDbt } from './dbt-models.ts';

export type Described = {
  name: string;
  description?: string;
  columns: { name: string; description: string }[];
};

/** Rewrites the columns of a YAML file. Tests and everything else stay; `at` leads to the list of tables or models. */
export function writeDescriptions(file: string, at: (string | number)[], known: readonly Described[]): void {
  const document = parseDocument(readDbt(file));
  const list = document.getIn(at);
  if (!isSeq<YAMLMap>(list)) throw new Error(`${file} has no list at ${at.join('.')}`);
  const named = (items: readonly YAMLMap[], name: string) => items.find((item) => item.get('name') === name);
  list.items = known.map(({ name, description, columns }) => {
    const item = named(list.items, name) ?? document.createNode({ name });
    if (description !== undefined) item.set('description', description);
    const old = item.get('columns');
    const olds = isSeq<YAMLMap>(old) ? old.items.filter((one) => isMap(one)) : [];
    const news = columns.map((column) => {
      const node = named(olds, column.name);
      const tests = node?.get('data_tests');
      return document.createNode({ ...column, ...(tests === undefined ? {} : { data_tests: tests }) });
    });
    item.set('columns', document.createNode(news));
    return item;
  });
  writeFileSync(
    path.join(dbtFolder, file),
    document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: false }),
  );
}
