// Output that cannot be written: on a full disk, a message and exit 1; to a reader that stopped early, silence.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { addAccount } from '../../src/sync/claim/account-row.ts';
import { CLI } from '../support/cli.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';

const FULL = '/dev/full';
const skip = existsSync(FULL) ? false : `there is no ${FULL}`;

type Place = 'pipe' | number;

async function start(args: readonly string[], env: Record<string, string>, stdout: Place, stderr: Place) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: tmpdir(),
    env,
    stdio: ['ignore', stdout, stderr],
  });
  // A reader that is gone before anything is written.
  child.stdout?.destroy();
  const [said, [code]] = await Promise.all([
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, said };
}

test('a full disk is a message and exit 1, for every format and for the help', { skip }, async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  const full = openSync(FULL, 'w');
  t.after(() => closeSync(full));
  const env = { DATABASE_URL: db.url };
  for (const args of [
    ['status'],
    ['users', '--format', 'json'],
    ['accounts', 'list', '--format', 'csv'],
    ['export', 'runs'],
    ['migrate'],
    ['--help'],
    ['sync', '--help'],
    ['--version'],
  ]) {
    const { code, said } = await start(args, env, full, 'pipe');
    assert.equal(code, 1, args.join(' '));
    assert.match(
      said,
      /^error OUTPUT_FAILED: The output could not be written \(ENOSPC\)\.\n  .+\.\n  .+\.\n$/,
    );
  }
  // Where messages cannot be written, the command still does its work.
  assert.equal((await start(['status'], env, 'pipe', full)).code, 0);
});

test('a backup that its reader did not read to the end is an error that names the output', async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  await addAccount(db.pool, { accountId: 'a'.repeat(32) });
  const { code, said } = await start(['database', 'backup', '-'], { DATABASE_URL: db.url }, 'pipe', 'pipe');
  assert.match(
    said,
    /^error OUTPUT_FAILED: The standard output could not be written \(EPIPE\)\.\n.*no whole backup/,
  );
  assert.equal(code, 1);
});

test('a failed command keeps its exit code, whatever happens to its output', { skip }, async (t) => {
  const full = openSync(FULL, 'w');
  t.after(() => closeSync(full));
  const env = { DATABASE_URL: 'mysql://h/d' };
  assert.equal((await start(['status'], env, full, full)).code, 78);
  assert.equal((await start(['doctor'], env, full, 'pipe')).code, 78);
});

test('a reader that stopped early is no error', async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  for (const args of [['status'], ['users', '--format', 'json'], ['--help']])
    assert.deepEqual(
      await start(args, { DATABASE_URL: db.url }, 'pipe', 'pipe'),
      { code: 0, said: '' },
      args.join(' '),
    );
});
