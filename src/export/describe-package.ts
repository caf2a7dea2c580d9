// The descriptor of a Data Package (version 2 of the standard) for exported files. Pure.
import { DATASET_NAMES, datasetOf, type Dataset, type DatasetName } from './datasets.ts';
import { packageFields, keyOf, referencesOf, type Field } from './describe-dataset.ts';
import type { Feed } from './read-clocks.ts';
import type { ExportFormat } from './select-rows.ts';
import { endingOf } from './targets.ts';

export type Resource = {
  name: string;
  dataset: Dataset;
  /** Names in the folder, in the order in which they are read. */
  files: readonly string[];
  format: ExportFormat;
  gzip: boolean;
  /** The size of the only file. */
  bytes?: number;
};

/**
 * `part`: rows may refer to rows of an earlier export. `feed`: in addition, several files may hold versions of the same
 * row.
 */
export type PackageKind = 'whole' | 'part' | 'feed';

type Descriptor = Readonly<Record<string, unknown>>;

/** `feed`: where the next export can continue. Null if rows were left out, or if a state file says it. */
export function describePackage(
  resources: readonly Resource[],
  kind: PackageKind,
  created: Date,
  feed: Feed | null,
): Descriptor {
  return {
    $schema: 'https://datapackage.org/profiles/2.0/datapackage.json',
    name: 'zt-risk-sync',
    title: 'Cloudflare Zero Trust user risk history',
    created: created.toISOString(),
    // A property of our own. It has the columns of risk_bi.feed_clock.
    ...(feed !== null && {
      watermarks: feed.map(({ accountId, feedId, epoch }) => ({
        account_id: accountId,
        feed_id: feedId,
        epoch,
      })),
    }),
    resources: resources.map((resource) => describeResource(resource, resources, kind)),
  };
}

const MEDIA_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
};

function describeResource(
  { name, dataset, files, format, gzip, bytes }: Resource,
  all: readonly Resource[],
  kind: PackageKind,
): Descriptor {
  const key = keyOf(dataset);
  const others = all.map((one) => one.dataset.name);
  const references = kind === 'whole' ? referencesOf(dataset, others) : [];
  const repeated = `Of rows with the same ${key.join(', ')}, the last one counts.`;
  return {
    name,
    type: 'table',
    description: `${dataset.about[0]!.toUpperCase()}${dataset.about.slice(1)}.${kind === 'feed' ? ` ${repeated}` : ''}`,
    path: files.length === 1 ? files[0] : files,
    format,
    mediatype: MEDIA_TYPES[format],
    ...(format !== 'parquet' && { encoding: 'utf-8' }),
    ...(gzip && { compression: 'gz' }),
    ...(bytes !== undefined && { bytes }),
    schema: {
      fields: packageFields(dataset).map(AS_READ[format]),
      // Only CSV writes null as text.
      missingValues: format === 'csv' ? [''] : [],
      ...(kind !== 'feed' && { primaryKey: key }),
      ...(references.length > 0 && { foreignKeys: references }),
    },
    // No property of the standard: its primary key would have to be unique over all files.
    ...(kind === 'feed' && { mergeKey: key }),
  };
}

const AS_READ: Readonly<Record<ExportFormat, (field: Field) => Field>> = {
  // The standard's own format has a T, but PostgreSQL writes a blank. No pattern can have optional digits.
  csv: (field) => (field.type === 'datetime' ? { ...field, format: 'any' } : field),
  ndjson: (field) => field,
  parquet: asReadFromParquet,
};

/** The file has the exact types. Frictionless reads an integer column with a null as floating point. */
function asReadFromParquet(field: Field): Field {
  return field.type === 'integer' && !field.constraints?.required ? { ...field, type: 'number' } : field;
}

/**
 * The files of a dataset are one resource, in their order. Each Parquet file is a resource of its own, because
 * Frictionless silently reads only the first of several.
 */
export function feedResources(names: readonly string[]): Resource[] {
  const groups = Map.groupBy(names.flatMap(feedFile), ({ name, dataset, format, gzip }) =>
    format === 'parquet' ? name : `${dataset}.${endingOf(format, gzip)}`,
  );
  const count = (dataset: DatasetName) =>
    [...groups.values()].filter(([first]) => first?.dataset === dataset).length;
  return [...groups].map(([key, files]) => {
    const { dataset, format, gzip } = files[0]!;
    return {
      // A later call of the feed may have used another format.
      name: count(dataset) === 1 ? dataset : key,
      dataset: datasetOf(dataset, true),
      files: files.map(({ name }) => name),
      format,
      gzip,
    };
  });
}

/** The meaning of the name of a file in the folder. Empty: the file is not directly in the folder. */
function feedFile(
  name: string,
): { name: string; dataset: DatasetName; format: ExportFormat; gzip: boolean }[] {
  const [, named, format, zipped] = /^([a-z-]+)-[\d-]+\.(csv|ndjson|parquet)(\.gz)?$/.exec(name) ?? [];
  const dataset = DATASET_NAMES.find((one) => one === named);
  return dataset === undefined
    ? []
    : [{ name, dataset, format: format as ExportFormat, gzip: zipped !== undefined }];
}
