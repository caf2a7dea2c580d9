// Which files an export makes: read from --out, --format and --gzip. Pure.
import path from 'node:path';
import { OperatorError } from '../errors.ts';
import type { DatasetName } from './datasets.ts';
import type { Format } from './select-rows.ts';

export type TargetOptions = {
  datasets: readonly DatasetName[];
  out: string;
  /** Whether `out` is a folder that exists. */
  isFolder: boolean;
  format?: Format;
  gzip: boolean;
};

/** `file` null: the standard output. */
export type Target = { dataset: DatasetName; file: string | null };
export type Targets = { format: Format; gzip: boolean; targets: Target[] };

const ENDINGS: Readonly<Record<string, Format>> = { csv: 'csv', ndjson: 'ndjson', jsonl: 'ndjson' };

/** Throws EXPORT_OPTIONS. */
export function targetsOf({ datasets, out, isFolder, ...wanted }: TargetOptions): Targets {
  const [, ending = '', zipped] = /\.([a-z]+)(\.gz)?$/.exec(path.basename(out)) ?? [];
  const intoFolder = out !== '-' && (isFolder || out.endsWith('/') || out.endsWith(path.sep));
  const format = wanted.format ?? (intoFolder ? undefined : ENDINGS[ending]) ?? 'csv';
  const gzip = wanted.gzip || (!intoFolder && zipped !== undefined);
  if (intoFolder || (datasets.length > 1 && out !== '-' && ENDINGS[ending] === undefined)) {
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

/** "csv", "ndjson.gz" */
export function endingOf(format: Format, gzip: boolean): string {
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
