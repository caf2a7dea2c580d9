// Which files an export makes, according to --out, --format and --gzip. Pure.
import path from 'node:path';
import { OperatorError } from '../errors.ts';
import type { Dataset, DatasetName } from './datasets.ts';
import type { ExportFormat } from './select-rows.ts';

export type TargetOptions = {
  datasets: readonly DatasetName[];
  out: string;
  /** Whether `out` is a folder that exists. */
  isFolder: boolean;
  format?: ExportFormat;
  gzip: boolean;
};

/** Each dataset is a folder in `out`. Throws EXPORT_OPTIONS. */
export function partitionFolders({
  datasets,
  out,
  format = 'parquet',
  gzip,
}: Omit<TargetOptions, 'isFolder'>): Targets {
  requirePartitions(out, format, gzip);
  return { format, gzip, targets: datasets.map((dataset) => ({ dataset, file: path.join(out, dataset) })) };
}

function requirePartitions(out: string, format: ExportFormat, gzip: boolean): void {
  requireText(format, gzip);
  if (out !== '-' && format === 'parquet' && endingIn(out).format === undefined) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: '--partition makes folders of Parquet files, and another format or one file was asked for',
    means: 'Partitions are folders, and their readers expect Parquet. Nothing was exported',
    todo: 'Give a folder, for example `--partition --out lake/`, and leave --format out',
  });
}

/** `file` null: the standard output. */
export type ExportTarget = { dataset: DatasetName; file: string | null };
export type Targets = { format: ExportFormat; gzip: boolean; targets: ExportTarget[] };

const ENDINGS: Readonly<Record<string, ExportFormat>> = {
  csv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  parquet: 'parquet',
};

/** Throws EXPORT_OPTIONS. */
export function targetsOf({ datasets, out, isFolder, ...wanted }: TargetOptions): Targets {
  const ending = endingIn(out);
  const intoFolder = out !== '-' && (isFolder || out.endsWith('/') || out.endsWith(path.sep));
  const format = wanted.format ?? (intoFolder ? undefined : ending.format) ?? 'csv';
  const gzip = wanted.gzip || (!intoFolder && ending.gzip);
  requireText(format, gzip);
  if (intoFolder || (datasets.length > 1 && out !== '-' && ending.format === undefined)) {
    const targets = datasets.map((dataset) => ({
      dataset,
      file: path.join(out, `${dataset}.${endingOf(format, gzip)}`),
    }));
    return { format, gzip, targets };
  }
  const [dataset] = datasets;
  if (dataset === undefined || datasets.length > 1) throw severalIntoOne(out);
  return { format, gzip, targets: [{ dataset, file: out === '-' ? null : out }] };
}

function endingIn(out: string): { format: ExportFormat | undefined; gzip: boolean } {
  const [, name = '', zipped] = /\.([a-z]+)(\.gz)?$/.exec(path.basename(out)) ?? [];
  return { format: ENDINGS[name], gzip: zipped !== undefined };
}

/** For `--state`. Throws EXPORT_OPTIONS. */
export function feedFolder(
  {
    out,
    state,
    partition,
    format = partition ? 'parquet' : 'csv',
    gzip,
  }: Pick<TargetOptions, 'out' | 'format' | 'gzip'> & { state: string; partition: boolean },
  datasets: readonly Dataset[],
): Targets {
  if (state === '-') {
    throw new OperatorError({
      code: 'EXPORT_OPTIONS',
      happened: '--state needs a file, and the standard input and output were asked for with -',
      means:
        'The state is replaced in one step after each call, which only a file can be. Nothing was exported',
      todo: 'Name a file, for example `--state feed.json`',
    });
  }
  if (out === '-' || endingIn(out).format !== undefined) {
    throw new OperatorError({
      code: 'EXPORT_OPTIONS',
      happened: `--state needs a folder, and --out is ${out === '-' ? 'the standard output' : out}`,
      means:
        'Each call adds files, and only a file can be found unfinished after a crash. Nothing was exported',
      todo: 'Give a folder of its own, for example `--out feed/`',
    });
  }
  if (partition) requirePartitions(out, format, gzip);
  requireText(format, gzip);
  const whole = datasets.find(({ isSnapshot }) => isSnapshot);
  if (whole !== undefined) {
    throw new OperatorError({
      code: 'EXPORT_OPTIONS',
      happened: `${whole.name} is one snapshot, and --state continues a feed`,
      means: 'A snapshot has nothing new later. Nothing was exported',
      todo: `Export ${whole.name} without --state, or leave it out`,
    });
  }
  return { format, gzip, targets: [] };
}

function requireText(format: ExportFormat, gzip: boolean): void {
  if (format !== 'parquet' || !gzip) return;
  throw new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened: 'Parquet was asked for together with gzip',
    means: 'A Parquet file is compressed inside (zstd). Readers cannot open one that is compressed again',
    todo: 'Leave --gzip out, or end the name in .parquet',
  });
}

/** "csv", "ndjson.gz" */
export function endingOf(format: ExportFormat, gzip: boolean): string {
  return `${format}${gzip ? '.gz' : ''}`;
}

function severalIntoOne(out: string): OperatorError {
  return new OperatorError({
    code: 'EXPORT_OPTIONS',
    happened:
      out === '-'
        ? 'Several datasets cannot go to the standard output'
        : `Several datasets cannot go into one file, ${out}`,
    means: 'Each dataset has columns of its own, so each one is a file. Nothing was exported',
    todo: 'Give a folder, for example `--out feed/`, or export one dataset at a time',
  });
}
