// A warehouse that loads the files of a feed: those that the state lists, in that order. A row replaces the one with the
// same key, and no version of a row may come twice.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { DatasetName } from '../../../src/export/datasets.ts';
import type { FeedState } from '../../../src/export/feed-state.ts';
import { duckdb } from '../duckdb.ts';

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
};
export const FEED_DATASETS = Object.keys(KEYS) as (keyof typeof KEYS)[];

/** For each dataset its rows, the newest version of each. */
export async function loadFeed(
  stateFile: string,
  folder: string,
): Promise<Map<string, Map<string, FeedRow>>> {
  const { files } = JSON.parse(await readFile(stateFile, 'utf8')) as FeedState;
  const loaded = new Map<string, Map<string, FeedRow>>(FEED_DATASETS.map((name) => [name, new Map()]));
  const seen = new Set<string>();
  for (const { name, rows } of files) {
    const dataset = name.replace(/-\d{12}-.*/, '') as keyof typeof KEYS;
    const read = await readRows(path.join(folder, name));
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
