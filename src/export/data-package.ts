// datapackage.json beside exported files: what they are and what their columns mean, for Frictionless and similar
// tools.
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Dataset } from './datasets.ts';
import { describePackage, feedResources, type PackageKind, type Resource } from './describe-package.ts';
import { keepFiles, type Written } from './export-datasets.ts';
import type { FeedFile } from './feed-state.ts';
import { orOutputFailed } from './output.ts';
import type { Feed } from './read-clocks.ts';
import type { ExportFormat } from './select-rows.ts';
import { writeText } from './write-text.ts';

const FILE = 'datapackage.json';
const TEMPORARY = /^\.datapackage\.json\.[0-9a-f]{12}\.part$/;

/**
 * Gives every file its name, then writes the package. The package of an earlier export is deleted first: after a crash,
 * no package is better than one that describes other files. `isWhole`: a watermark left out no rows. Throws
 * OUTPUT_FAILED.
 */
export async function keepWithPackage(
  folder: string,
  written: readonly Written[],
  of: {
    datasets: readonly Dataset[];
    format: ExportFormat;
    gzip: boolean;
    isWhole: boolean;
    /** Null: the export was limited to a time or a snapshot, so no later export can continue from it. */
    feed: Feed | null;
  },
): Promise<void> {
  const file = path.join(folder, FILE);
  await orOutputFailed(file, rm(file, { force: true }));
  await keepFiles(written);
  // Frictionless reports an NDJSON file without a line as broken.
  const described = written.filter(({ rows }) => rows > 0 || of.format !== 'ndjson');
  const resources = described.map(async ({ dataset: name, output }): Promise<Resource> => {
    const dataset = of.datasets.find((one) => one.name === name)!;
    const { size } = await orOutputFailed(file, stat(output.name));
    const resource = { ...of, name, dataset, files: [path.basename(output.name)] };
    // Frictionless counts bytes only of text, and refuses a Parquet file with a stated size.
    return of.format === 'parquet' ? resource : { ...resource, bytes: size };
  });
  await writePackage(file, await Promise.all(resources), of.isWhole ? 'whole' : 'part', of.feed);
}

/**
 * Runs after the state is written, because the state decides what belongs to the feed. So no crash leaves a package
 * that names an unfinished file. While the feed is locked, no other process writes here, so leftovers of a killed call
 * are removed. Throws OUTPUT_FAILED.
 */
export async function writeFeedPackage(folder: string, files: readonly FeedFile[]): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (TEMPORARY.test(name)) await rm(path.join(folder, name), { force: true });
  await writePackage(path.join(folder, FILE), feedResources(files.map(({ name }) => name)), 'feed', null);
}

async function writePackage(
  file: string,
  resources: readonly Resource[],
  kind: PackageKind,
  feed: Feed | null,
): Promise<void> {
  // The standard allows no package without data.
  if (resources.length === 0) await orOutputFailed(file, rm(file, { force: true }));
  else
    await writeText(file, `${JSON.stringify(describePackage(resources, kind, new Date(), feed), null, 2)}\n`);
}
