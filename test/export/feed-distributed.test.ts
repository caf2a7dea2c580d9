// `export --state` across `migrate --distribute`: the feed that was begun on one PostgreSQL goes on, and equals a whole
// export.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createPool } from '../../src/db/pool.ts';
import { distribute } from '../../src/db/distribute/distribute.ts';
import { migrate } from '../../src/db/migrate.ts';
import { labelAccount } from '../../src/upkeep/accounts.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { CITUS_URL, emptyCluster } from '../support/database/distributed-database.ts';
import { FEED_DATASETS, loadFeed, loadWhole } from '../support/oracle/feed-reader.ts';
import { runCommand } from '../support/run-command.ts';

const skip = CITUS_URL === '' ? 'TEST_CITUS_URL names no cluster' : false;
const idOf = (n: number) => String(n).repeat(32);

test('a feed that was begun on one PostgreSQL goes on after the distribution', { skip }, async (t) => {
  const cluster = await emptyCluster();
  const pool = createPool({ url: cluster.url, max: 2, logger: { warn() {} } });
  const folder = await mkdtemp(path.join(tmpdir(), 'feed-distributed-'));
  t.after(async () => {
    await pool.end();
    await cluster.drop();
    await rm(folder, { recursive: true });
  });
  const [out, stateFile] = [path.join(folder, 'feed'), path.join(folder, 'feed.json')];
  const run = (...args: string[]) => runCommand(['export', ...args], { DATABASE_URL: cluster.url });
  const feed = async (...args: string[]) => {
    const { code, stderr } = await run(...args, '--out', out, '--state', stateFile);
    assert.equal(code, 0, stderr);
  };
  const add = async (n: number) => seedAccount(pool, await claimAccount(pool, idOf(n)), { keys: 5 });
  const all = [...FEED_DATASETS, '--identities'];

  await migrate(pool);
  await add(1);
  await feed('users');
  await add(2);
  await feed(...all);
  const before = JSON.parse(await readFile(stateFile, 'utf8')) as { version: number };
  assert.equal(before.version, 1);
  await distribute({ pool, signal: new AbortController().signal, onProgress: () => undefined });
  await add(3);
  await labelAccount(pool, idOf(1), 'moved');
  await feed('users', 'levels');
  const after = JSON.parse(await readFile(stateFile, 'utf8')) as { version: number };
  assert.equal(after.version, 2);
  await add(4);
  await labelAccount(pool, idOf(2), 'moved as well');
  await feed(...all);

  const whole = `${out}-whole/`;
  const { code, stderr, stdout } = await run(...all, '--out', whole);
  assert.equal(code, 0, stderr);
  for (const n of [1, 2, 3, 4])
    assert.match(stdout, new RegExp(`^Watermark of account ${idOf(n)}: \\d+$`, 'm'));
  const rows = await loadWhole(whole, 'csv');
  assert.deepEqual(await loadFeed(stateFile, out), rows);
  const lines = `${out}-lines/`;
  assert.equal((await run(...all, '--format', 'ndjson', '--out', lines)).code, 0);
  const named = (loaded: typeof rows) =>
    [...loaded].map(([dataset, found]) => [dataset, [...found].map(([, row]) => Object.keys(row))]);
  assert.deepEqual(
    named(await loadWhole(lines, 'ndjson')),
    named(rows),
    'the names of the columns in NDJSON',
  );

  const refused = async (message: RegExp, ...args: string[]) => {
    const result = await run(...args);
    assert.match(result.stderr, message);
    assert.equal(result.code, 64);
  };
  await refused(/^error WATERMARK_AMBIGUOUS: .*\n.*\n.*--account/, 'users', '--after', '2');
  await refused(/^error SNAPSHOT_AMBIGUOUS: .*\n.*\n.*--account/, 'snapshot-users', '--snapshot', '2');
});
