// dlt's sql_database reads schema `risk` between syncs, as docs/feeds.md says, and ends with exactly its rows: periods
// that were closed, users that changed, and runs that failed. DLT_PYTHON names a Python that has dlt (with duckdb,
// sqlalchemy and psycopg2), unless the benchmarks have installed one.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { startScriptedApi } from '../support/api/scripted-api.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { RISK_TABLES } from '../support/database/risk-tables.ts';
import { runSyncOf } from '../support/stage.ts';
import { listingOf, serving } from '../support/world/random-serving.ts';
import { apply, change, uuidOf, type World } from '../support/world/random-world.ts';

const LOADS = 3;
const SYNCS = 5;
const HOUR = 3_600_000;

const root = path.resolve(import.meta.dirname, '../..');
const python = process.env['DLT_PYTHON'] ?? path.join(root, 'bench/.peers/venv/bin/python');
const hasDlt =
  spawnSync(python, ['-c', 'import dlt.sources.sql_database, duckdb, psycopg2, sqlalchemy']).status === 0;
const skip = hasDlt
  ? false
  : 'no Python with dlt: npm run bench:peers installs one, or name it in DLT_PYTHON';

type Rows = Record<string, string[]>;

async function dlt(command: 'load' | 'print', url: string, folder: string): Promise<string> {
  const script = path.join(import.meta.dirname, 'load-with-dlt.py');
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, RUNTIME__DLTHUB_TELEMETRY: 'false' };
  const { stdout } = await promisify(execFile)(python, [script, command, url, folder], {
    env,
    maxBuffer: 2 ** 26,
  });
  return stdout;
}

async function loaded(url: string, folder: string): Promise<Rows> {
  const rows: Rows = Object.fromEntries(RISK_TABLES.map((table) => [table, []]));
  for (const line of (await dlt('print', url, folder)).split('\n').filter(Boolean)) {
    const [table, row] = JSON.parse(line) as [string, Record<string, string | null>];
    rows[table]?.push(textOf(row));
  }
  return sorted(rows);
}

async function truth(db: MigratedDatabase): Promise<Rows> {
  const rows: Rows = {};
  for (const table of RISK_TABLES) {
    const found = await db.rows<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) as row from risk.${table} t`,
    );
    rows[table] = found.map(({ row }) => textOf(row));
  }
  return sorted(rows);
}

const sorted = (rows: Rows): Rows =>
  Object.fromEntries(Object.entries(rows).map(([table, list]) => [table, list.toSorted()]));

/** One spelling for both sides: times with microseconds in UTC, JSON in the order of its keys, all else as text. */
function textOf(row: Record<string, unknown>): string {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    name === 'evidence' ? jsonOf(value) : plain(name, value),
  ]);
  return JSON.stringify(entries.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

function plain(name: string, value: unknown): string | null {
  if (value === null) return null;
  if (name === 'expected_unseen') return String(Number(value));
  const text = String(value);
  const time = /^(\d+-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?\+00(:00)?$/.exec(text);
  return time === null ? text : `${time[1]} ${time[2]}${(time[3] ?? '.').padEnd(7, '0')}`;
}

function jsonOf(value: unknown): string {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  return JSON.stringify(ordered(parsed));
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, ordered(inner)]),
  );
}

test(
  'dlt merges what is new by the feed value between syncs, and has exactly the rows of the tables after each load',
  { skip },
  async (t) => {
    const [db, api, folder] = await Promise.all([
      migratedDatabase(),
      startScriptedApi(),
      mkdtemp(path.join(tmpdir(), 'dlt-')),
    ]);
    t.after(async () => {
      await api.close();
      await db.close();
      await rm(folder, { recursive: true });
    });
    const accounts = ['one', 'two'].map((name) => ({
      id: uuidOf(name).replaceAll('-', ''),
      world: { name, people: [], lost: undefined } as World,
      meanings: new Map(),
    }));
    const step = fc.tuple(fc.array(change, { minLength: 3, maxLength: 6, size: 'max' }), serving);
    let time = Date.now() - 300 * 24 * HOUR;
    for (let load = 0; load < LOADS; load++) {
      for (const [n, [changes, how]] of fc.sample(step, SYNCS).entries()) {
        const account = accounts[n % 2]!;
        for (const what of changes) apply(account.world, what);
        api.serve(account.id, listingOf(account.world, how, account.meanings));
        time += HOUR;
        await runSyncOf(account.id, { pool: db.pool, client: api.client }, { observedAt: new Date(time) });
      }
      await dlt('load', db.url, folder);
      assert.deepEqual(await loaded(db.url, folder), await truth(db), `load ${load + 1}`);
    }
  },
);
