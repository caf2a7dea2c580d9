// A warehouse that loads the files of a feed: those that the state lists, in that order. A row replaces the one with the
// same key, and no version of a row may come twice.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { DatasetName } from '../../../src/export/datasets.ts';
import { duckdb } from '../duckdb.ts';

/** What a reader knows of the file of `--state`. */
export type StateFile = {
  epoch: string;
  watermarks: Partial<Record<DatasetName, number>>;
  files: { name: string; rows: number }[];
};

/** Values as text, whatever the format; null is null. */
export type FeedRow = Readonly<Record<string, string | null>>;

const KEYS: Readonly<Record<Exclude<DatasetName, 'snapshot-users'>, string>> = {
  accounts: 'account_id',
  users: 'account_id user_id',
  identities: 'account_id user_id valid_from',
  levels: 'account_id user_id valid_from',
  activity: 'account_id user_id observed_at',
  snapshots: 'account_id snapshot_id',
  'snapshot-levels': 'account_id snapshot_id max_risk_level',
  'level-changes': 'account_id user_id changed_at',
  runs: 'account_id run_id',
  retention: 'account_id dataset',
};
export const FEED_DATASETS = Object.keys(KEYS) as (keyof typeof KEYS)[];

/** For each dataset its rows, the newest version of each. */
export async function loadFeed(
  stateFile: string,
  folder: string,
): Promise<Map<string, Map<string, FeedRow>>> {
  const { files } = JSON.parse(await readFile(stateFile, 'utf8')) as StateFile;
  const loaded = new Map<string, Map<string, FeedRow>>(FEED_DATASETS.map((name) => [name, new Map()]));
  const seen = new Set<string>();
  const contents = await readFiles(
    folder,
    files.map(({ name }) => name),
  );
  for (const { name, rows } of files) {
    const dataset = datasetOf(name);
    const read = contents.get(name) ?? [];
    assert.equal(read.length, rows, name);
    for (const row of read) {
      const key = keyOf(dataset, row);
      const version = `${dataset} ${key} ${row['feed_id'] ?? row['snapshot_id']}`;
      assert.ok(!seen.has(version), `${name} repeats ${version}`);
      seen.add(version);
      loaded.get(dataset)?.set(key, row);
    }
  }
  return loaded;
}

/** A whole export in one folder, in the same shape. */
export async function loadWhole(folder: string, ending: string): Promise<Map<string, Map<string, FeedRow>>> {
  const loaded = new Map<string, Map<string, FeedRow>>();
  for (const dataset of FEED_DATASETS) {
    const rows = await readRows(path.join(folder, `${dataset}.${ending}`));
    loaded.set(dataset, new Map(rows.map((row) => [keyOf(dataset, row), row])));
    assert.equal(loaded.get(dataset)?.size, rows.length, dataset);
  }
  return loaded;
}

function keyOf(dataset: keyof typeof KEYS, row: FeedRow): string {
  return KEYS[dataset]
    .split(' ')
    .map((name) => row[name])
    .join(' ');
}

/** "levels-000000000041-….csv" or "levels/account=…/….parquet" */
function datasetOf(name: string): keyof typeof KEYS {
  return name.replace(/-\d{12}-.*|\/.*/, '') as keyof typeof KEYS;
}

/** The Parquet files of a dataset come by one query: a feed in partitions has hundreds. */
async function readFiles(folder: string, names: readonly string[]): Promise<Map<string, FeedRow[]>> {
  const contents = new Map<string, FeedRow[]>(names.map((name) => [name, []]));
  for (const dataset of FEED_DATASETS) {
    const files = names.filter((name) => datasetOf(name) === dataset);
    const parquet = files.filter((name) => name.endsWith('.parquet'));
    for (const name of files.filter((one) => !one.endsWith('.parquet')))
      contents.set(name, await readRows(path.join(folder, name)));
    if (parquet.length === 0) continue;
    for (const { filename, ...row } of await duckdb<FeedRow>(
      `select filename, columns(* exclude (filename))::varchar from read_parquet([${parquet.map((name) => `'${path.join(folder, name)}'`).join(', ')}], filename = true, hive_partitioning = false)`,
    ))
      contents.get(path.relative(folder, filename ?? ''))?.push(row);
  }
  return contents;
}

/** Folders account=…/date=…, as DuckDB finds them on its own; of rows with the same key, the newest. */
export async function loadLake(folder: string): Promise<Map<string, Map<string, FeedRow>>> {
  const loaded = new Map<string, Map<string, FeedRow>>();
  for (const dataset of FEED_DATASETS) {
    const stamp = ['accounts', 'runs'].includes(dataset) ? 'feed_id' : 'snapshot_id';
    const table = `read_parquet('${folder}/${dataset}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)`;
    const rows = existsSync(path.join(folder, dataset))
      ? await duckdb<FeedRow>(`select columns(*)::varchar from (from ${table}
          qualify row_number() over (partition by account, ${KEYS[dataset].replaceAll(' ', ', ')} order by ${stamp} desc) = 1)`)
      : [];
    loaded.set(
      dataset,
      new Map(
        rows.map(({ account, date, ...row }) => {
          assert.equal(account, row['account_id']);
          const at = row[DAYS[dataset] ?? ''];
          if (at !== undefined) assert.equal(date, at?.slice(0, 10));
          return [keyOf(dataset, row), row];
        }),
      ),
    );
  }
  return loaded;
}

const DAYS: Partial<Record<DatasetName, string>> = {
  identities: 'valid_from',
  levels: 'valid_from',
  activity: 'observed_at',
  snapshots: 'observed_at',
  'snapshot-levels': 'observed_at',
  'level-changes': 'changed_at',
  runs: 'finished_at',
};

async function readRows(file: string): Promise<FeedRow[]> {
  if (file.endsWith('.parquet'))
    return duckdb<FeedRow>(`select columns(*)::varchar from read_parquet('${file}')`);
  const bytes = await readFile(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  if (/\.ndjson(\.gz)?$/.test(file))
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const entries = Object.entries(JSON.parse(line) as Record<string, unknown>);
        return Object.fromEntries(
          entries.map(([key, value]) => [key, value === null ? null : String(value)]),
        );
      });
  const [names, ...rows] = parseCsv(text);
  return rows.map((row) => Object.fromEntries(row.map((value, n) => [names?.[n] ?? '', value])));
}

/** An empty cell is null, and "" an empty text. */
function parseCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let row: (string | null)[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\n]*))([,\n])/gy;
  for (let found = cell.exec(text); found !== null; found = cell.exec(text)) {
    const [, quoted, plain = '', end] = found;
    row.push(quoted !== undefined ? quoted.replaceAll('""', '"') : plain === '' ? null : plain);
    if (end === '\n') {
      rows.push(row);
      row = [];
    }
    if (cell.lastIndex === text.length) break;
  }
  return rows;
}
