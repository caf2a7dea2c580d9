// The Superset bundle under integrations/, and the SQL that Superset makes of a chart: the parts that our charts use.
// Anything else is an error.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export type DatasetColumn = {
  column_name: string;
  type: string;
  is_dttm: boolean;
  description: string;
  expression?: string;
};
export type Dataset = {
  table_name: string;
  schema: string;
  main_dttm_col: string;
  uuid: string;
  database_uuid: string;
  metrics: { metric_name: string; expression: string; description: string }[];
  columns: DatasetColumn[];
};
type Filter = { clause: string; subject: string; operator: string; comparator: unknown };
export type Chart = {
  slice_name: string;
  description: string;
  viz_type: string;
  uuid: string;
  dataset_uuid: string;
  params: {
    viz_type: string;
    query_mode?: 'raw';
    all_columns?: string[];
    order_by_cols?: string[];
    x_axis?: string;
    time_grain_sqla?: string;
    groupby?: string | string[];
    metric?: string;
    metrics?: string[];
    adhoc_filters: Filter[];
    row_limit?: number;
  };
};
type Dashboard = {
  uuid: string;
  position: Record<string, { type: string; children?: string[]; meta?: { uuid?: string; width?: number } }>;
  metadata: {
    label_colors: Record<string, string>;
    native_filter_configuration: {
      filterType: string;
      targets: { datasetUuid?: string; column?: { name: string } }[];
    }[];
  };
};

export const bundleFolder = path.resolve(import.meta.dirname, '../../integrations/superset/zt-risk-sync');

/** The YAML files of a folder: their names, and what they say. */
function readFolder(folder: string): { file: string; value: unknown }[] {
  return readdirSync(path.join(bundleFolder, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => path.join(bundleFolder, folder, name))
    .toSorted()
    .map((file) => ({ file, value: parse(readFileSync(file, 'utf8')) as unknown }));
}

export const readDatasets = () => readFolder('datasets') as { file: string; value: Dataset }[];
export const readCharts = () => readFolder('charts').map(({ value }) => value as Chart);
export const readDashboards = () => readFolder('dashboards').map(({ value }) => value as Dashboard);

/** The query of a chart. `grain`: how far a person has zoomed out, instead of the chart's own grain. */
export function chartSql({ slice_name: name, params }: Chart, dataset: Dataset, grain?: string): string {
  const column = (wanted: string) => {
    const found = dataset.columns.find((one) => one.column_name === wanted);
    if (found === undefined) throw new Error(`${name}: no column ${wanted} in ${dataset.table_name}`);
    return found.expression === undefined ? `"${wanted}"` : `(${found.expression})`;
  };
  const metric = (wanted: string) => {
    const found = dataset.metrics.find((one) => one.metric_name === wanted);
    if (found === undefined) throw new Error(`${name}: no metric ${wanted} in ${dataset.table_name}`);
    return `${found.expression} as "${wanted}"`;
  };
  const conditions = params.adhoc_filters.flatMap(({ clause, subject, operator, comparator }) => {
    if (clause !== 'WHERE') throw new Error(`${name}: no meaning of ${clause}`);
    const left = column(subject);
    if (operator === 'TEMPORAL_RANGE' && comparator === 'No filter') return [];
    if (operator === '==' && typeof comparator === 'string') return [`${left} = '${comparator}'`];
    if (operator === '==' && typeof comparator === 'boolean') return [`${left} = ${comparator}`];
    throw new Error(`${name}: no meaning of ${operator} ${String(comparator)}`);
  });
  const from = `from ${dataset.schema}.${dataset.table_name} where ${['true', ...conditions].join(' and ')}`;
  if (params.query_mode === 'raw') {
    const order = (params.order_by_cols ?? []).map((text) => {
      const [by, isAscending] = JSON.parse(text) as [string, boolean];
      return `${column(by)} ${isAscending ? 'asc' : 'desc'}`;
    });
    return `select ${params.all_columns!.map(column).join(', ')} ${from} order by ${order.join(', ')} limit ${params.row_limit}`;
  }
  const unit = grain ?? (params.time_grain_sqla === 'P1D' ? 'day' : undefined);
  const axis =
    params.x_axis === undefined
      ? []
      : [
          unit === undefined
            ? `${column(params.x_axis)} as x`
            : `date_trunc('${unit}', ${column(params.x_axis)})::date::text as x`,
        ];
  const groups = [params.groupby ?? []].flat().map(column);
  const shown = [...axis, ...groups, ...(params.metrics ?? [params.metric!]).map(metric)];
  const places = [...axis, ...groups].map((_, nth) => nth + 1);
  return `select ${shown.join(', ')} ${from}${places.length === 0 ? '' : ` group by ${places.join(', ')}`}`;
}
